// The embed kernel: every weight format, a table in shards, ids from the host and from the device.

import assert from "node:assert/strict";
import { test } from "node:test";
import { launch } from "../../engine/gpu/program.ts";
import { uploadLinear } from "../../engine/model/linear_weights.ts";
import type { StoredType } from "../../files/weights/stored/formats.ts";
import { embed, embedGrid } from "../../shaders/embed.ts";
import { ON_DEVICE, STEP_BYTES } from "../../shaders/step.ts";
import { checkClose, openTestGpu, run } from "./device.ts";
import { randomTensor, valuesOf, writeStep } from "./linear_case.ts";
import { Output } from "./outputs.ts";

const VOCAB = 50;
const COLS = 96;
/** ON_DEVICE: the token that the sequence's row holds. */
const IDS = [0, 49, 7, ON_DEVICE, 25, 24, ON_DEVICE];
const SAMPLED = [9, 9, 49, 25];

for (const type of ["f32", "f16", "q8_0", "q4_0", "q4_1"] satisfies StoredType[]) {
  test(`${type}: rows of the table, whole and in shards`, async () => {
    const { gpu, buffers } = await openTestGpu();
    const parts = [randomTensor(type, VOCAB, COLS, 3)];
    const values = await valuesOf(parts);
    const { format, shards } = await uploadLinear(gpu, buffers, parts, "auto");
    // Buffers end padded; formats without scales have less than a byte a row.
    const rowBytes = (name: "quants" | "scales") => Math.floor(shards[0][name].size / VOCAB);
    const tokens = IDS.map((id, t) => [id, t, t === 3 ? 1 : 0, 0]);
    const sequences = [0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0];
    for (const firstRows of [[0], [0, 25]]) {
      const residual = new Output(gpu, buffers, IDS.length * COLS);
      const ids = new Output(gpu, buffers, IDS.length);
      const step = buffers.uniform("step", STEP_BYTES);
      writeStep(gpu, step, IDS.length, 0, 0);
      const views = {
        step,
        tokens: buffers.from("tokens", new Uint32Array(tokens.flat())),
        sequences: buffers.from("sequences", new Uint32Array(sequences)),
        sampled: buffers.from("sampled", new Uint32Array(SAMPLED)),
        residual: residual.view,
        ids: ids.view,
      };
      const launches = firstRows.map(async (firstRow, i) => {
        const rows = (firstRows[i + 1] ?? VOCAB) - firstRow;
        const { kernel, constants } = embed({ format, cols: COLS, firstRow, rows });
        const part = async (name: "quants" | "scales") => {
          const bytes = rows * rowBytes(name);
          const copy = buffers.storage(name, bytes);
          const encoder = gpu.device.createCommandEncoder();
          encoder.copyBufferToBuffer(shards[0][name].buffer, firstRow * rowBytes(name), copy.buffer, 0, bytes);
          gpu.queue.submit([encoder.finish()]);
          return copy;
        };
        const bound = { ...views, quants: await part("quants"), scales: await part("scales") };
        return launch(gpu, await gpu.pipelines.get(kernel, constants), bound, embedGrid);
      });
      const counts = { tokens: IDS.length, sequences: 2, rows: 0, entries: 0, maxRank4: 0, adapters: 0 };
      run(gpu, await Promise.all(launches), { ...counts, routed: false, gateWidth: 0 });
      const expected = IDS.map((id, t) => (id === ON_DEVICE ? SAMPLED[sequences[8 * tokens[t][2] + 4]] : id));
      assert.deepEqual([...(await ids.readWords())], expected);
      const rows = expected.flatMap((id) => [...values.subarray(id * COLS, (id + 1) * COLS)]);
      checkClose(await residual.read(), rows, 1e-6);
    }
    buffers.destroy();
  });
}
