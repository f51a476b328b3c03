// Half precision against an independent reading of IEEE 754 and a search for the nearest half.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeFloat16, encodeFloat16, float16Table } from "../../../../files/weights/stored/float16.ts";

test("every half decodes as binary16 defines it, and encodes back to its own bits", () => {
  for (let bits = 0; bits < 65536; bits++) {
    const text = bits.toString(2).padStart(16, "0");
    const exponent = Number.parseInt(text.slice(1, 6), 2);
    const fraction = Number.parseInt(text.slice(6), 2) / 1024;
    let expected = exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15);
    if (exponent === 31) expected = fraction === 0 ? Infinity : NaN;
    if (text[0] === "1") expected = -expected;
    assert.ok(Object.is(decodeFloat16(bits), expected), `bits ${bits}`);
    assert.ok(Object.is(float16Table()[bits], expected), `table ${bits}`);
    if (!Number.isNaN(expected)) assert.equal(encodeFloat16(expected), bits);
  }
  assert.ok(Number.isNaN(decodeFloat16(encodeFloat16(NaN))));
});

test("halfway between two halves goes to the even one, a hair off goes to the nearer", () => {
  for (let bits = 0; bits < 0x7bff; bits++) {
    const middle = (decodeFloat16(bits) + decodeFloat16(bits + 1)) / 2;
    const even = bits % 2 === 0 ? bits : bits + 1;
    assert.equal(encodeFloat16(middle), even, `tie above ${bits}`);
    assert.equal(encodeFloat16(-middle), even | 0x8000, `negative tie above ${bits}`);
    assert.equal(encodeFloat16(middle * (1 - 2 ** -20)), bits, `below the tie above ${bits}`);
    assert.equal(encodeFloat16(middle * (1 + 2 ** -20)), bits + 1, `past the tie above ${bits}`);
  }
});

test("what is too large becomes infinity, what is too small zero", () => {
  assert.equal(encodeFloat16(65504), 0x7bff);
  assert.equal(encodeFloat16(65519.99), 0x7bff);
  assert.equal(encodeFloat16(65520), 0x7c00);
  assert.equal(encodeFloat16(-1e30), 0xfc00);
  assert.equal(encodeFloat16(2 ** -25), 0);
  assert.equal(encodeFloat16(1e-40), 0);
});
