// The embed kernel: every weight format, a table in shards, ids from the host and from the device.

import assert from "node:assert/strict";
import { wholeColumns } from "../../../cli/check/cases/weights.ts";
import { allocateFrom } from "../../../engine/device/device.ts";
import { uploadLinear } from "../../../engine/model/linear_weights.ts";
import { STORED, type StoredType } from "../../../files/weights/stored/formats.ts";
import type { StoredTensor } from "../../../files/weights/tensor.ts";
import { launch } from "../../../shaders/kernel.ts";
import { embed } from "../../../shaders/layer/embed.ts";
import { ON_DEVICE } from "../../../shaders/step.ts";
import { checkClose, onEachDevice, run } from "../device.ts";
import { randomTensor, valuesOf } from "../linear_case.ts";
import { Output } from "../outputs.ts";
import { stepShape, stepUniform } from "../step_case.ts";

const VOCAB = 50;
const LEAST_COLS = 96;
/** ON_DEVICE: the token that the sequence's row holds. */
const IDS = [0, 49, 7, ON_DEVICE, 25, 24, ON_DEVICE];
const SAMPLED = [9, 9, 49, 25];

for (const type of [
  "f32",
  "f16",
  "q8_0",
  "q4_0",
  "q4_1",
  "q5_1",
  "q2_k",
  "q3_k",
  "q4_k",
  "q5_k",
  "q6_k",
] satisfies StoredType[]) {
  onEachDevice(`${type}: rows of the table, whole and in shards`, async (device) => {
    const cols = wholeColumns(type, LEAST_COLS);
    const table = randomTensor(type, VOCAB, cols, 3);
    const values = await valuesOf([table]);
    const tokens = IDS.map((id, t) => [id, t, t === 3 ? 1 : 0, 0, t, 0, 0, 0]);
    const sequences = [0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0];
    const shape = stepShape({ tokens: IDS.length, sequences: 2 });
    for (const [firstRows, scale] of [
      [[0], 1],
      [[0, 25], 1],
      [[0, 25], 5.5],
    ] as const) {
      const residual = new Output(device, IDS.length * cols);
      const ids = new Output(device, IDS.length);
      const views = {
        step: stepUniform(device, shape),
        tokens: allocateFrom(device, "tokens", new Uint32Array(tokens.flat())),
        sequences: allocateFrom(device, "sequences", new Uint32Array(sequences)),
        sampled: allocateFrom(device, "sampled", new Uint32Array(SAMPLED)),
        residual: residual.view,
        ids: ids.view,
      };
      const launches = firstRows.map(async (firstRow, i) => {
        const part = rowsOf(table, firstRow, firstRows[i + 1] ?? VOCAB);
        const { rows, shards } = await uploadLinear(device, [part], "auto");
        const { format, quants, scales } = shards[0];
        return launch(embed, { format, cols, firstRow, rows, scale }, { ...views, quants, scales });
      });
      await run(device, await Promise.all(launches), shape);
      const expected = IDS.map((id, t) => (id === ON_DEVICE ? SAMPLED[sequences[8 * tokens[t][2] + 4]] : id));
      assert.deepEqual([...(await ids.readWords())], expected);
      const rows = expected.flatMap((id) => [...values.subarray(id * cols, (id + 1) * cols)]);
      const scaled = rows.map((value) => value * scale);
      checkClose(await residual.read(), scaled, 1e-6);
    }
  });
}

/** Rows [from, to) as a tensor of their own. */
function rowsOf(table: StoredTensor, from: number, to: number): StoredTensor {
  const { bytes, elements } = STORED[table.type];
  const cols = table.shape[1];
  return {
    ...table,
    shape: [to - from, cols],
    bytes: (to - from) * (cols / elements) * bytes,
    readRows: (first, end) => table.readRows(from + first, from + end),
  };
}
