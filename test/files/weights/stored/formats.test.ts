// Every ggml type that is read, to the last bit as the gguf package reads it (test/fixtures/scripts/stored_formats.py),
// and what the device's planes hold of it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { dequantizeRows } from "../../../../files/weights/stored/dequantize.ts";
import { deviceFormat } from "../../../../files/weights/stored/device_format.ts";
import { decodeFloat16 } from "../../../../files/weights/stored/float16.ts";
import { STORED, STORED_TYPES, type StoredType } from "../../../../files/weights/stored/formats.ts";
import { BEYOND_HALF, repack } from "../../../../files/weights/stored/linear_repack.ts";

interface Case {
  type: StoredType;
  blocks: Uint8Array;
  values: Float32Array;
}

const file = JSON.parse(readFileSync("test/fixtures/stored/formats.json", "utf8"));
const CASES: Case[] = file.cases.map((entry: { type: string; blocks: string; values: string }) => ({
  type: STORED_TYPES.find((type) => STORED[type].ggml?.name === entry.type),
  blocks: Uint8Array.from(Buffer.from(entry.blocks, "base64")),
  values: new Float32Array(Uint8Array.from(Buffer.from(entry.values, "base64")).buffer),
}));

test("the fixture has every quantised type", () => {
  const quantised = STORED_TYPES.filter((type) => STORED[type].ggml !== undefined && STORED[type].elements > 1);
  assert.deepEqual(CASES.map(({ type }) => type).sort(), quantised.sort());
});

for (const { type, blocks, values } of CASES) {
  test(`${type}: the reference's float32, bit for bit`, () => {
    const out = new Float32Array(values.length);
    // An odd start: tensors in a file are not aligned for anybody.
    const unaligned = new Uint8Array(blocks.length + 1).subarray(1);
    unaligned.set(blocks);
    dequantizeRows(type, unaligned, out);
    assert.deepEqual(new Uint32Array(out.buffer), new Uint32Array(values.buffer));
    assert.equal(STORED[type].findUnfit(blocks), -1);
  });

  test(`${type}: the device format it is held in has the same values`, () => {
    const format = deviceFormat(type, "auto");
    const planes = repack(type, blocks, format);
    assert.ok(planes !== BEYOND_HALF);
    const { quants, scales } = planes;
    const held = Float32Array.from(values, (_, i) => {
      if (format === "f32") return (quants as Float32Array)[i];
      if (format === "q4_k" || format === "q6_k")
        return scaledValue(format, quants as Uint32Array, scales as Uint16Array, i);
      if (format === "q8_0") return (scales as Float32Array)[i >> 5] * new Int8Array(quants.buffer)[i];
      const byte = new Uint8Array(quants.buffer)[(i >> 5) * 16 + (i & 15)];
      const low = i & 16 ? byte >> 4 : byte & 15;
      const block = new DataView(scales!.buffer, (i >> 5) * (format === "q5" ? 8 : 4));
      const fifth = format === "q5" ? (block.getUint8(4 + (i & 3)) >> ((i >> 2) & 7)) & 1 : 0;
      const [d, m] = [block.getUint16(0, true), block.getUint16(2, true)].map(decodeFloat16);
      return d * (low + 16 * fifth) + m;
    });
    for (const [i, value] of values.entries())
      assert.ok(Math.fround(held[i]) === value, `${format} ${i}: ${held[i]}, ${value}`);
  });
}

/** Element i of planes with scales in two levels, as shaders/formats/q4_k.wgsl and shaders/formats/q6_k.wgsl have them. */
function scaledValue(format: "q4_k" | "q6_k", quants: Uint32Array, scales: Uint16Array, i: number): number {
  const [group, words] = format === "q4_k" ? [32, 4] : [16, 3];
  const at = (2 + 128 / group) * (i >> 7);
  const pair = scales[at + 2 + Math.floor((i % 128) / group)];
  const [scale, minimum] = new Int8Array(Uint16Array.of(pair).buffer);
  const word = quants.subarray(words * Math.floor(i / group));
  const shift = 8 * (i & 3);
  const row = Math.floor((i % group) / 4);
  const half = group / 8;
  const low = (word[row % half] >>> (shift + (row < half ? 0 : 4))) & 15;
  const upper = format === "q4_k" ? 0 : (word[2] >>> (shift + 2 * row)) & 3;
  return decodeFloat16(scales[at]) * scale * (low + 16 * upper) + decodeFloat16(scales[at + 1]) * minimum;
}

test("a float64 is rounded once, and one beyond float32 is found", () => {
  const bytes = (...values: number[]) => new Uint8Array(Float64Array.from(values).buffer);
  const out = new Float32Array(3);
  dequantizeRows("f64", bytes(0.1, -0, 3.4028234663852886e38), out);
  assert.deepEqual(out, Float32Array.of(0.1, -0, 3.4028234663852886e38));
  for (const unfit of [Number.NaN, -Infinity, 1e39]) assert.equal(STORED.f64.findUnfit(bytes(1, unfit)), 1);
});

test("a dense type takes the dtype asked for, one that a quantised format holds exactly stays", () => {
  const asked = (type: StoredType) =>
    (["auto", "f32", "f16", "q8_0", "q4_0"] as const).map((dtype) => deviceFormat(type, dtype));
  assert.deepEqual(asked("q5_1"), ["q5", "f32", "q5", "q5", "q5"]);
  assert.deepEqual(asked("q4_k"), ["q4_k", "f32", "q4_k", "q4_k", "q4_k"]);
  assert.deepEqual(asked("bf16"), ["f16", "f32", "f16", "q8_0", "q4"]);
  assert.deepEqual(asked("f32"), ["f32", "f32", "f16", "q8_0", "q4"]);
  assert.deepEqual(asked("iq4_xs"), ["q8_0", "f32", "q8_0", "q8_0", "q8_0"]);
  assert.deepEqual(asked("q4_0"), ["q4", "f32", "q4", "q4", "q4"]);
});
