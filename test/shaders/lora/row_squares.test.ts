// Lengths of rows, whole and in shards, in every format that a device holds.

import { rowSquaresReference } from "../../../cli/check/reference/linear.ts";
import { uploadLinear } from "../../../engine/model/linear_weights.ts";
import type { StoredType } from "../../../files/weights/stored/formats.ts";
import { launch } from "../../../shaders/kernel.ts";
import { rowSquares } from "../../../shaders/lora/row_squares.ts";
import { checkClose, onEachDevice, run } from "../device.ts";
import { randomTensor, valuesOf } from "../linear_case.ts";
import { Output } from "../outputs.ts";
import { stepShape } from "../step_case.ts";

const COLS = 96;
/** Rows of two shards: neither fills a panel or a workgroup. */
const SHARDS = [67, 5];

for (const type of ["f32", "f16", "q8_0", "q4_0", "q4_1"] satisfies StoredType[]) {
  onEachDevice(`row_squares of ${type}: two shards write their own rows`, async (device) => {
    const tensors = SHARDS.map((rows, i) => randomTensor(type, rows, COLS, 3 + i));
    const squares = new Output(device, SHARDS[0] + SHARDS[1]);
    let firstRow = 0;
    for (const tensor of tensors) {
      const { rows, shards } = await uploadLinear(device, [tensor], "auto");
      const { format, quants, scales } = shards[0];
      const facts = { format, cols: COLS, firstRow, rows };
      await run(device, [launch(rowSquares, facts, { quants, scales, squares: squares.view })], stepShape({}));
      firstRow += rows;
    }
    checkClose(await squares.read(), rowSquaresReference(await valuesOf(tensors), firstRow, COLS), 1e-5);
  });
}
