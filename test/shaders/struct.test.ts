// Structs that host and kernels share: where fields lie, in which type they are written, and padding.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ENTRY, LOGIT_ROW, SEQUENCE, STEP, TOKEN } from "../../shaders/step.ts";
import { struct, wordBuffer } from "../../shaders/struct.ts";
import { RULE } from "../../shaders/training/adamw.ts";
import { LOSS_ROW } from "../../shaders/training/cross_entropy.ts";

const PAIRS = struct("Pairs", { id: "u32", gate: "f32", far: "u32", low: "f32", last: "u32" });

test("fields lie one word each in their order, padded to whole vec4s", () => {
  assert.deepEqual([PAIRS.words, PAIRS.bytes], [8, 32]);
  assert.deepEqual(PAIRS.at, { id: 0, gate: 1, far: 2, low: 3, last: 4 });
  assert.equal(
    PAIRS.wgsl,
    "struct Pairs {\n  id: u32,\n  gate: f32,\n  far: u32,\n  low: f32,\n  last: u32,\n" +
      "  _pad0: u32,\n  _pad1: u32,\n  _pad2: u32,\n}\n",
  );
});

test("a struct of whole vec4s has no padding", () => {
  const whole = struct("Whole", { a: "u32", b: "u32", c: "f32", d: "u32" });
  assert.deepEqual([whole.words, whole.wgsl.includes("_pad")], [4, false]);
});

test("values are written in their field's type, where they belong, and nothing beside them changes", () => {
  const target = wordBuffer(96);
  target.words.fill(0xdeadbeef);
  PAIRS.write(target, 8, { last: 0xffffffff, gate: -1.5, id: 7, low: 1e-40 });
  assert.deepEqual([...target.words.subarray(0, 8)], new Array(8).fill(0xdeadbeef));
  assert.deepEqual([...target.words.subarray(16)], new Array(8).fill(0xdeadbeef));
  const words = [...target.words.subarray(8, 16)];
  // −1.5 and the subnormal nearest 1e−40 as IEEE 754 bits; what is left out and the padding are zero.
  assert.deepEqual(words, [7, 0xbfc00000, 0, 0x000116c2, 0xffffffff, 0, 0, 0]);
});

test("a word buffer shows the same bytes as words and floats", () => {
  const bytes = new ArrayBuffer(16);
  const { words, floats } = wordBuffer(bytes);
  floats[2] = 1;
  assert.equal(words[2], 0x3f800000);
  assert.equal(new Uint8Array(bytes)[11], 0x3f);
});

test("the structs of a step are as long as kernels stride by, and their names differ", () => {
  const all = [STEP, TOKEN, SEQUENCE, ENTRY, LOGIT_ROW, LOSS_ROW, RULE];
  assert.deepEqual(
    all.map(({ name, bytes }) => [name, bytes]),
    [
      ["Step", 16],
      ["Token", 32],
      ["Sequence", 32],
      ["Entry", 16],
      ["LogitRow", 80],
      ["LossRow", 16],
      ["Rule", 32],
    ],
  );
});
