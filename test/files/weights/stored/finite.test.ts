// NaN and infinity found in every stored type wherever a float can lie, and nowhere else.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkFinite } from "../../../../files/weights/stored/finite.ts";
import { STORED, type StoredType } from "../../../../files/weights/stored/formats.ts";
import { raises } from "../../../raises.ts";

const HALVES: [StoredType, number[]][] = [
  ["f16", [0]],
  ["q8_0", [0]],
  ["q4_0", [0]],
  ["q4_1", [0, 2]],
  ["q5_0", [0]],
  ["q5_1", [0, 2]],
  ["q2_k", [80, 82]],
  ["q3_k", [108]],
  ["q4_k", [0, 2]],
  ["q5_k", [0, 2]],
  ["q6_k", [208]],
  ["iq4_nl", [0]],
  ["iq4_xs", [0]],
];

test("a NaN or an infinity in any float of any block is named", async () => {
  for (const [type, floats] of HALVES) {
    for (const at of floats) {
      for (const bits of [0x7c00, 0xfc00, 0x7e01]) {
        const bytes = new Uint8Array(3 * STORED[type].bytes);
        new DataView(bytes.buffer).setUint16(2 * STORED[type].bytes + at, bits, true);
        await raises("tensor_not_finite", /tensor w /, () => checkFinite("w", type, bytes));
      }
    }
  }
  for (const value of [NaN, Infinity, -Infinity]) {
    const floats = Float32Array.of(0, 1, value);
    await raises("tensor_not_finite", /tensor w /, () => checkFinite("w", "f32", new Uint8Array(floats.buffer)));
    const brain = new Uint8Array(floats.buffer).filter((_, i) => i % 4 >= 2);
    await raises("tensor_not_finite", /tensor w /, () => checkFinite("w", "bf16", brain));
  }
});

test("an MXFP4 exponent that makes no float32 is named", async () => {
  const block = new Uint8Array(34);
  for (const exponent of [255, 254, 253]) {
    block[17] = exponent;
    await raises("tensor_not_finite", /tensor w /, () => checkFinite("w", "mxfp4", block));
  }
  block[17] = 251;
  checkFinite("w", "mxfp4", block);
});

test("the largest finite values pass, and quants of all ones are no NaN", () => {
  checkFinite("w", "f32", new Uint8Array(Float32Array.of(3.4028234663852886e38, -1, 0).buffer));
  checkFinite("w", "f16", Uint8Array.of(0xff, 0x7b, 0xff, 0xfb));
  const block = new Uint8Array(34).fill(0xff);
  block.set([0xff, 0x7b]);
  assert.doesNotThrow(() => checkFinite("w", "q8_0", block));
});
