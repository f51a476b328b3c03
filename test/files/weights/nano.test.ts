// The embedded base against the bf16 weights it was made from, and against a GGUF reader by other hands.
// Skips the former where those weights are not at hand.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { GGMLQuantizationType, gguf } from "@huggingface/gguf";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import type { ByteSource } from "../../../files/source.ts";
import { TextList } from "../../../files/text_list.ts";
import { readGgufHeader } from "../../../files/weights/gguf/gguf_header.ts";
import { readShardedSafetensors } from "../../../files/weights/safetensors/shards.ts";
import { dequantizeRows } from "../../../files/weights/stored/dequantize.ts";
import { rowCount, type StoredTensor } from "../../../files/weights/tensor.ts";
import { DirectoryFolder, openPath } from "../../../node/files.ts";

const FILE = "models/nano/nano.Q8_0.gguf";
const ORIGINAL = "../shared/models/nano";

async function values(tensor: StoredTensor, from: number, to: number): Promise<Float32Array> {
  const width = tensor.shape[tensor.shape.length - 1];
  const out = new Float32Array((to - from) * width);
  dequantizeRows(tensor.type, await tensor.readRows(from, to), out);
  return out;
}

test("every row of nano is its bf16 original's, within Q8_0's rounding", async (t) => {
  if (!existsSync(ORIGINAL)) return t.skip(`shared/ absent: ${ORIGINAL}`);
  const original = await readShardedSafetensors(new DirectoryFolder(ORIGINAL));
  const { tensors } = (await openModelFiles(await openPath(FILE))).tensors;
  assert.deepEqual([...tensors.keys()].sort(), [...original.tensors.keys()].sort());
  for (const [name, tensor] of tensors) {
    const wanted = original.tensors.get(name) ?? assert.fail(name);
    const [got, expected] = await Promise.all([tensor, wanted].map((x) => values(x, 0, rowCount(x.shape))));
    assert.equal(got.length, expected.length);
    for (let block = 0; block < got.length; block += 32) {
      let largest = 0;
      for (let i = block; i < block + 32; i++) largest = Math.max(largest, Math.abs(expected[i]));
      const bound = tensor.type === "f32" ? 0 : largest / 254 + largest * 2 ** -11;
      for (let i = block; i < block + 32; i++) {
        if (Math.abs(got[i] - expected[i]) > bound) assert.fail(`${name}[${i}]: ${got[i]}, expected ${expected[i]}`);
      }
    }
  }
});

test("a slice of q rows equals the same rows of the whole", async () => {
  const { tensors, config } = await openModelFiles(await openPath(FILE));
  const q = tensors.tensors.get("model.layers.3.self_attn.q_proj.weight") ?? assert.fail();
  const whole = await values(q, 0, config.numHeads * config.headDim);
  assert.deepEqual(await values(q, 70, 130), whole.subarray(70 * config.hiddenSize, 130 * config.hiddenSize));
});

test("Hugging Face's GGUF parser sees the same file", async () => {
  const theirs = await gguf(FILE, { allowLocalFile: true });
  const ours = await readGgufHeader((await openPath(FILE)) as ByteSource);
  assert.equal(theirs.tensorInfos.length, ours.tensors.length);
  for (const [i, { name, type, shape, begin }] of ours.tensors.entries()) {
    const info = theirs.tensorInfos[i];
    assert.deepEqual([info.name, GGMLQuantizationType[info.dtype]], [name, type.name]);
    assert.deepEqual(info.shape.map(Number).reverse(), shape);
    assert.equal(Number(info.offset + theirs.tensorDataOffset), begin);
  }
  for (const [key, value] of ours.metadata) {
    assert.deepEqual(Reflect.get(theirs.metadata, key), value instanceof TextList ? [...value] : value, key);
  }
});
