// Lengths of a matrix's rows, and its products with some vectors, measured where the matrix lies.

import { launch } from "../../shaders/kernel.ts";
import { linear } from "../../shaders/layer/linear.ts";
import { rowSquares } from "../../shaders/lora/row_squares.ts";
import { STEP, type StepShape } from "../../shaders/step.ts";
import { wordBuffer } from "../../shaders/struct.ts";
import { allocateFrom, type Device, type Program } from "../device/device.ts";
import type { LinearWeights } from "./linear_weights.ts";

export interface RowMeasures {
  /** Σ_k W[row, k]² of every row. */
  squares: Float32Array;
  /** For each list of vectors, for each vector: W · v, one value a row. */
  products: Float32Array[][];
}

/** `lists`: vectors of W's columns each, one behind the other. What is allocated for it is freed. */
export async function measureRows(
  device: Device,
  { rows, cols, shards }: LinearWeights,
  lists: readonly Float32Array[],
): Promise<RowMeasures> {
  const counts = lists.map((list) => list.length / cols);
  const tokens = counts.reduce((sum, count) => sum + count, 0);
  const shape: StepShape = { ...NOTHING, tokens };
  const words = wordBuffer(STEP.bytes);
  STEP.write(words, 0, { tokens, sequences: 1, rows: 0, entries: 0 });
  const step = device.allocate("step of a measure", STEP.bytes, "uniform");
  device.write(step, words.words);
  const x = allocateFrom(device, "vectors measured", joined(lists));
  const y = device.allocate("products measured", 4 * tokens * rows);
  const squares = device.allocate("squares measured", 4 * rows);
  let program: Program<StepShape> | undefined;
  try {
    const facts = { rows, cols, activations: "f32", tokens } as const;
    program = await device.prepare(
      shards.flatMap(({ format, quants, scales, firstRow, rows: count }) => [
        launch(linear, { ...facts, format, shard: { firstRow, rows: count } }, { step, quants, scales, x, y }),
        launch(rowSquares, { format, cols, firstRow, rows: count }, { quants, scales, squares }),
      ]),
    );
    const read = new Float32Array(await device.run([program], shape, [squares, y]));
    // Views may be longer than what was asked for.
    const products = read.subarray(squares.size / 4);
    let vector = 0;
    return {
      squares: read.slice(0, rows),
      products: counts.map((count) =>
        Array.from({ length: count }, () => products.slice(vector * rows, ++vector * rows)),
      ),
    };
  } finally {
    if (program !== undefined) device.discard(program);
    for (const view of [step, x, y, squares]) device.free(view);
  }
}

const NOTHING: StepShape = {
  tokens: 0,
  sequences: 1,
  rows: 0,
  entries: 0,
  maxRank4: 0,
  adapters: 0,
  routed: false,
  gateWidth: 0,
};

function joined(lists: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const all = new Float32Array(lists.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const list of lists) {
    all.set(list, at);
    at += list.length;
  }
  return all;
}
