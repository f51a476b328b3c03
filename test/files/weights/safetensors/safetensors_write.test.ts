import assert from "node:assert/strict";
import { test } from "node:test";
import { MemorySource } from "../../../../files/source.ts";
import { readFloats } from "../../../../files/weights/floats.ts";
import { readSafetensors } from "../../../../files/weights/safetensors/safetensors.ts";
import { writeSafetensors } from "../../../../files/weights/safetensors/safetensors_write.ts";

test("what is written is read back, rounded to its type, aligned, with its metadata", async () => {
  const data = Float32Array.of(1, -2.5, 1 / 3);
  const file = writeSafetensors(
    [
      { name: "half", shape: [3], data, type: "f16" },
      { name: "brain", shape: [3, 1], data, type: "bf16" },
      { name: "full", shape: [1, 3], data },
    ],
    { format: "pt" },
  );
  const { tensors } = await readSafetensors(new MemorySource("written", file));
  const read = async (name: string) => [...(await readFloats(tensors.get(name)!))];
  assert.deepEqual(await read("full"), [...data]);
  assert.deepEqual(await read("half"), [1, -2.5, 0.333251953125]);
  assert.deepEqual(await read("brain"), [1, -2.5, 0.333984375]);
  assert.deepEqual(tensors.get("brain")?.shape, [3, 1]);
  const headerLength = Number(new DataView(file.buffer).getBigUint64(0, true));
  assert.equal(headerLength % 8, 0);
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerLength)));
  assert.deepEqual(header.__metadata__, { format: "pt" });
  assert.deepEqual(header.full.data_offsets, [0, 12]);
});

test("bfloat16 rounds to the nearest, ties to even, and keeps NaN and infinity", async () => {
  const word = new Uint32Array([0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x7f800000, 0x7fffffff]);
  const file = writeSafetensors([{ name: "x", shape: [6], data: new Float32Array(word.buffer), type: "bf16" }]);
  const stored = new Uint16Array(file.slice(-12).buffer);
  assert.deepEqual([...stored], [0x3f80, 0x3f82, 0x3f81, 0x3f80, 0x7f80, 0x7fc0]);
});

test("a shape that is not the data's and a name given twice are refused", () => {
  const tensor = { name: "x", shape: [2, 2], data: new Float32Array(3) };
  assert.throws(() => writeSafetensors([tensor]), /3 elements for shape/);
  const right = { ...tensor, shape: [3] };
  assert.throws(() => writeSafetensors([right, right]), /twice/);
});
