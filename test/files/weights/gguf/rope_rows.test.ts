// Rows of q and k as llama.cpp's converter interleaves them, back in Hugging Face order: matrices and biases.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readFloats } from "../../../../files/weights/floats.ts";
import { deinterleaved } from "../../../../files/weights/gguf/rope_rows.ts";
import type { StoredTensor } from "../../../../files/weights/tensor.ts";

/** Hugging Face's row i of a head of 8 and the stored row that has it: `LlamaModel.permute` of convert_hf_to_gguf.py. */
const STORED_AT = [0, 2, 4, 6, 1, 3, 5, 7];

function stored(shape: number[], values: number[]): StoredTensor {
  const floats = Float32Array.from(values);
  const row = (4 * floats.length) / (shape.length < 2 ? 1 : shape[0]);
  const readRows = async (from: number, to: number) => new Uint8Array(floats.buffer).slice(from * row, to * row);
  return { name: "q", type: "f32", shape, bytes: 4 * floats.length, readRows };
}

test("rows of a matrix and elements of a bias come in the same order", async () => {
  const heads = [0, 1];
  const expected = heads.flatMap((head) => STORED_AT.map((at) => 8 * head + at));
  const numbers = Array.from({ length: 16 }, (_, i) => i);
  const matrix = deinterleaved(
    stored(
      [16, 4],
      numbers.flatMap((i) => [i, i, i, i]),
    ),
    8,
  );
  const rows = await readFloats(matrix);
  assert.deepEqual(
    expected.flatMap((i) => [i, i, i, i]),
    [...rows],
  );
  const bias = deinterleaved(stored([16], numbers), 8);
  assert.deepEqual([...(await readFloats(bias))], expected);
  assert.deepEqual([bias.shape, bias.bytes], [[16], 64]);
});
