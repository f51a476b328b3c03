// Q8_0 blocks: ggml's bytes on worked examples, the format's error bound on random ones.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { dequantizeRows } from "../../../../files/weights/stored/dequantize.ts";
import { encodeFloat16 } from "../../../../files/weights/stored/float16.ts";
import { quantizeQ4_0, quantizeQ8_0 } from "../../../../files/weights/stored/quantize.ts";
import { raises } from "../../../raises.ts";

test("halves round away from zero, as roundf does", () => {
  const values = new Float32Array(32);
  values.set([127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49, -126.5]);
  const bytes = quantizeQ8_0(values);
  assert.equal(bytes[0] | (bytes[1] << 8), encodeFloat16(1));
  assert.deepEqual([...new Int8Array(bytes.buffer, 2, 10)], [127, 1, 2, 3, -1, -2, -3, 0, -127, 0]);
});

test("a block of zeros stays zeros", () => {
  assert.deepEqual(quantizeQ8_0(new Float32Array(64)), new Uint8Array(68));
});

test("no element is further off than half a step and the scale's own rounding", () => {
  const values = Float32Array.from({ length: 32 * 64 }, (_, i) => Math.sin(i * 12.9898) * 2 ** ((i >> 5) % 12));
  const back = new Float32Array(values.length);
  dequantizeRows("q8_0", quantizeQ8_0(values), back);
  for (let block = 0; block < values.length; block += 32) {
    const largest = Math.max(...values.subarray(block, block + 32).map(Math.abs));
    const bound = largest / 254 + largest * 2 ** -11;
    for (let i = block; i < block + 32; i++) assert.ok(Math.abs(values[i] - back[i]) <= bound, `element ${i}`);
  }
});

test("a length that fills no blocks is refused", async () => {
  await raises("internal", /33 elements/, () => quantizeQ8_0(new Float32Array(33)));
});

test("Q8_0 and Q4_0 blocks are the gguf package's, byte for byte (scripts/stored_formats.py)", () => {
  const file = JSON.parse(readFileSync("test/fixtures/stored/formats.json", "utf8"));
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "base64"));
  const plain = new Float32Array(bytes(file.plain).buffer);
  assert.deepEqual(quantizeQ8_0(plain), bytes(file.quantised.Q8_0));
  assert.deepEqual(quantizeQ4_0(plain), bytes(file.quantised.Q4_0));
});
