// The CPU's embed kernel: every weight format, a table in shards, ids from the host and from the device.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BEYOND_HALF } from "../../../files/weights/stored/linear_repack.ts";
import { packPanels } from "../../../files/weights/stored/pack_panels.ts";
import type { StoredType } from "../../../files/weights/tensor.ts";
import type { DeviceFormat } from "../../../shaders/linear.ts";
import { ON_DEVICE } from "../../../shaders/step.ts";
import { checkClose } from "../device.ts";
import { randomTensor, valuesOf } from "../linear_case.ts";
import { BUILDS, CpuKernels } from "./cpu_kernels.ts";

const VOCAB = 50;
const COLS = 96;
/** ON_DEVICE: the token that the sequence's row holds. */
const IDS = [0, 49, 7, ON_DEVICE, 25, 24, ON_DEVICE];
const SAMPLED = [9, 9, 49, 25];
const FORMATS: DeviceFormat[] = ["f32", "f16", "q8_0", "q4"];

const TYPES: [StoredType, DeviceFormat][] = [
  ["f32", "f32"],
  ["f16", "f16"],
  ["q8_0", "q8_0"],
  ["q4_0", "q4"],
  ["q4_1", "q4"],
];

for (const build of BUILDS) {
  for (const [type, format] of TYPES) {
    test(`${build}, ${type}: rows of the table, whole and in shards`, async () => {
      const tensor = randomTensor(type, VOCAB, COLS, 3);
      const values = await valuesOf([tensor]);
      const tokens = IDS.map((id, t) => [id, t, t === 3 ? 1 : 0, 0]);
      const sequences = [0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0];
      for (const firstRows of [[0], [0, 24]]) {
        const kernels = new CpuKernels(build);
        const residual = kernels.output(IDS.length * COLS);
        const ids = kernels.output(IDS.length);
        for (const [i, firstRow] of firstRows.entries()) {
          const end = firstRows[i + 1] ?? VOCAB;
          const panels = packPanels(type, await tensor.readRows(firstRow, end), format, COLS);
          assert.ok(panels !== BEYOND_HALF);
          const args = {
            quants: kernels.place(panels),
            tokens: kernels.place(new Uint32Array(tokens.flat())),
            sequences: kernels.place(new Uint32Array(sequences)),
            sampled: kernels.place(new Uint32Array(SAMPLED)),
            ...{ residual, ids, FORMAT: FORMATS.indexOf(format), COLS, FIRST_ROW: firstRow, ROWS: end - firstRow },
          };
          kernels.run("embed", args, IDS.length, 2);
        }
        const expected = IDS.map((id, t) => (id === ON_DEVICE ? SAMPLED[sequences[8 * tokens[t][2] + 4]] : id));
        assert.deepEqual([...ids.readWords()], expected);
        const rows = expected.flatMap((id) => [...values.subarray(id * COLS, (id + 1) * COLS)]);
        checkClose(residual.read(), rows, 1e-6);
      }
    });
  }
}
