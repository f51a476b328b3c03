// What a kernel and its fragments come to: bindings in a row, constants, texts, and equal keys for equal pipelines.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compose, constantsText } from "../../shaders/compose.ts";
import type { Kernel, WgslBody } from "../../shaders/kernel.ts";

const KERNEL: Kernel<{ width: number }, unknown> = {
  name: "some",
  constants: ({ width }) => ({ WIDTH: width, WIDE: width > 4 }),
  wgsl: () => BODY,
};
const BODY: WgslBody<unknown> = {
  text: "room/some",
  bindings: { step: "uniform", x: "read_write" },
  fragments: [
    { texts: ["room/first"], bindings: { table: "read", pool: "read" }, constants: { TILE: 8 }, at: "FIRST" },
    { texts: [] },
    { texts: ["room/second", "room/third"], bindings: { planes: "read" }, at: "SECOND" },
  ],
  constants: { WORKGROUP: 64 },
  grid: () => [1, 1, 1],
};

test("bindings of fragments follow the kernel's own, and constants say where they begin", () => {
  const { bindings, constants } = compose(KERNEL, { width: 8 }, BODY);
  assert.deepEqual(Object.entries(bindings), [
    ["step", "uniform"],
    ["x", "read_write"],
    ["table", "read"],
    ["pool", "read"],
    ["planes", "read"],
  ]);
  assert.deepEqual(constants, { WIDTH: 8, WIDE: true, WORKGROUP: 64, FIRST: 2, TILE: 8, SECOND: 4 });
});

test("texts come in order: the step's, the fragments', the kernel's own", () => {
  const { texts } = compose(KERNEL, { width: 8 }, BODY);
  const names = texts.map((url) => /shaders\/(.*)\.wgsl$/.exec(url)?.[1]);
  assert.deepEqual(names, ["step", "room/first", "room/second", "room/third", "room/some"]);
});

test("a key changes with facts, extensions and bindings, and with nothing else", () => {
  const key = (width: number, body = BODY) => compose(KERNEL, { width }, body).key;
  assert.equal(key(8), key(8, { ...BODY, grid: () => [2, 2, 2] }));
  const others = [
    key(12),
    key(8, { ...BODY, enables: ["subgroups"] }),
    key(8, { ...BODY, bindings: { step: "uniform", x: "read" } }),
  ];
  assert.equal(new Set([key(8), ...others]).size, 4);
});

test("constants are declared as WGSL has them; what has no literal is refused", () => {
  assert.equal(
    constantsText({ ROWS: 4096, EPS: 1e-5, ADD: false }),
    "const ROWS = 4096;\nconst EPS = 0.00001;\nconst ADD = false;\n",
  );
  assert.throws(() => constantsText({ SCALE: Number.NaN }), RangeError);
  assert.throws(() => constantsText({ SCALE: Number.POSITIVE_INFINITY }), RangeError);
});
