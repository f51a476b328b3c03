// Plain types and the simplest blocks against loops written from the format's definition, in float64, on random blocks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { dequantizeRows } from "../../../../files/weights/stored/dequantize.ts";
import { decodeFloat16 } from "../../../../files/weights/stored/float16.ts";
import { STORED, type StoredType } from "../../../../files/weights/stored/formats.ts";
import { raises } from "../../../raises.ts";

/** Element `i` of `bytes`, by ggml-common.h's block layouts and IEEE 754. */
function reference(type: StoredType, bytes: Uint8Array, i: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (type === "f32") return view.getFloat32(4 * i, true);
  if (type === "f16") return decodeFloat16(view.getUint16(2 * i, true));
  if (type === "bf16") {
    const widened = new DataView(new ArrayBuffer(4));
    widened.setUint16(0, view.getUint16(2 * i, true));
    return widened.getFloat32(0);
  }
  const block = Math.floor(i / 32) * STORED[type].bytes;
  const inBlock = i % 32;
  const d = decodeFloat16(view.getUint16(block, true));
  if (type === "q8_0") return d * view.getInt8(block + 2 + inBlock);
  const quants = block + (type === "q4_1" ? 4 : 2);
  const byte = view.getUint8(quants + (inBlock % 16));
  const q = inBlock < 16 ? byte % 16 : Math.floor(byte / 16);
  return type === "q4_0" ? d * (q - 8) : d * q + decodeFloat16(view.getUint16(block + 2, true));
}

/** Reproducible bytes whose halves are finite: an exponent of all ones loses a bit. */
function randomBytes(type: StoredType, length: number): Uint8Array {
  let state = 1234567 + length;
  const bytes = Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  for (let block = 0; block < length; block += STORED[type].bytes) {
    for (let i = 1; i < (type === "f32" ? 4 : STORED[type].bytes); i += 2) bytes[block + i] &= 0xbf;
  }
  return bytes;
}

/** Types whose layout `reference` has; formats.test.ts has all others. */
for (const type of ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1"] as const) {
  test(`${type}: every element equals the float64 loop, rounded once`, () => {
    const blocks = 96;
    const stored = randomBytes(type, blocks * STORED[type].bytes);
    // An odd start: tensors in a file are not aligned for anybody.
    const unaligned = new Uint8Array(stored.length + 1).subarray(1);
    unaligned.set(stored);
    const out = new Float32Array(blocks * STORED[type].elements);
    dequantizeRows(type, unaligned, out);
    for (let i = 0; i < out.length; i++) {
      const expected = Math.fround(reference(type, stored, i));
      assert.ok(Number.isFinite(expected));
      // == and not Object.is: q4_0's 8 may come out as -0.
      assert.ok(out[i] === expected, `element ${i}: ${out[i]}, expected ${expected}`);
    }
  });
}

test("all 65,536 halves and brain floats come through, NaN and infinities included", () => {
  const bytes = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer);
  for (const type of ["f16", "bf16"] as const) {
    const out = new Float32Array(65536);
    dequantizeRows(type, bytes, out);
    for (let i = 0; i < 65536; i++) assert.ok(Object.is(out[i], reference(type, bytes, i)), `${type} ${i}`);
  }
});

test("an output of another size than the bytes is refused", async () => {
  await raises("internal", /34 bytes of q8_0/, () => dequantizeRows("q8_0", new Uint8Array(34), new Float32Array(31)));
});
