// The CPU's linear kernel against float64: every format and activation form, both builds, on ragged shapes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { wholeColumns } from "../../../cli/check/cases/weights.ts";
import { int8BlocksReference, linearReference } from "../../../cli/check/reference/linear.ts";
import { BEYOND_HALF } from "../../../files/weights/stored/format.ts";
import type { StoredType } from "../../../files/weights/stored/formats.ts";
import { layoutOf } from "../../../files/weights/stored/layout.ts";
import type { StoredTensor } from "../../../files/weights/tensor.ts";
import type { ActivationForm, DeviceFormat } from "../../../shaders/formats/device_format.ts";
import { checkClose, randomFloats } from "../device.ts";
import { randomTensor, valuesOf } from "../linear_case.ts";
import { checkSameBits } from "../outputs.ts";
import { BUILDS, CpuKernels } from "./cpu_kernels.ts";

const TOKENS = [1, 2, 3, 4, 5, 7, 8, 17, 33];
/** As linear.test.ts: sums of rounded f32 terms, against Σ|w·x|; the long rows have eighteen times as many. */
const TOLERANCE = 1e-5;
/** FORMAT of a kernel's arguments (shaders/formats/format.cpu.ts). */
const FORMATS: DeviceFormat[] = ["f32", "f16", "q8_0", "q4", "q4_k", "q6_k", "q5"];

/** Nothing becomes of a sum. */
const UNENDED = { SCALE: 0, CAP: 0 };

const FORMS: [StoredType, DeviceFormat, ActivationForm][] = [
  ["f32", "f32", "f32"],
  ["f16", "f16", "f32"],
  ["bf16", "f16", "f32"],
  ["q8_0", "q8_0", "f32"],
  ["q4_0", "q4", "f32"],
  ["q4_1", "q4", "f32"],
  ["q4_1", "f32", "f32"],
  ["q8_0", "q8_0", "q8"],
  ["q4_0", "q4", "q8"],
  ["q4_1", "q4", "q8"],
  ...(["q2_k", "q3_k", "q5_k", "q6_k"] as const).flatMap((type): [StoredType, DeviceFormat, ActivationForm][] => [
    [type, "q6_k", "f32"],
    [type, "q6_k", "q8"],
  ]),
  ["q5_0", "q5", "f32"],
  ["q5_0", "q5", "q8"],
  ["q5_1", "q5", "f32"],
  ["q5_1", "q5", "q8"],
  ["q4_k", "q4_k", "f32"],
  ["q4_k", "q4_k", "q8"],
];

async function panelsOf({ type, shape, readRows }: StoredTensor, format: DeviceFormat): Promise<ArrayBufferView> {
  const planes = layoutOf(8).pack(type, await readRows(0, shape[0]), format, shape[1]);
  assert.ok(planes !== BEYOND_HALF);
  return planes.quants;
}

interface Quantized {
  xq: number;
  xs: number;
  /** The values that the blocks stand for. */
  values: Float64Array;
}

function quantized(kernels: CpuKernels, x: Float32Array<ArrayBuffer>, cols: number): Quantized {
  const xq = kernels.output(x.length / 4);
  const xs = kernels.output(x.length / 16);
  kernels.run("quantize", { x: kernels.place(x), xq, xs, COLS: cols }, x.length / cols);
  const values = int8BlocksReference(new Int8Array(xq.read().buffer), xs.read());
  return { xq: xq.address, xs: xs.address, values };
}

for (const build of BUILDS) {
  for (const [type, format, activations] of FORMS) {
    // The long rows need more than one panel of scratch.
    for (const [rows, least] of [
      [70, 96],
      [8, 64],
      [3, format === "f32" && type === "f32" ? 36 : 32],
      [19, format === "f32" ? 1600 : 2400],
    ]) {
      const cols = wholeColumns(type, least);
      test(`${build}: ${type} weights as ${format}, ${activations} activations, ${rows} × ${cols}`, async () => {
        const kernels = new CpuKernels(build);
        const tensor = randomTensor(type, rows, cols, 1);
        const weights = await valuesOf([tensor]);
        const quants = kernels.place(await panelsOf(tensor, format));
        const most = Math.max(...TOKENS);
        const x = randomFloats(most * cols, 7);
        const floats = kernels.place(x);
        const q8 = activations === "q8" ? quantized(kernels, x, cols) : undefined;
        const constants = { FORMAT: FORMATS.indexOf(format), ROWS: rows, FIRST_ROW: 0, ROWS_TOTAL: rows, COLS: cols };
        const items = Math.ceil(rows / 8);
        let all = new Float32Array();
        for (const tokens of TOKENS.toReversed()) {
          const step = kernels.step(tokens, 1, 0);
          const y = kernels.output(tokens * rows);
          const args = {
            ...constants,
            ...UNENDED,
            step,
            quants,
            x: floats,
            xq: q8?.xq ?? 0,
            xs: q8?.xs ?? 0,
            COUNT_ROWS: false,
          };
          kernels.run("linear", { ...args, y }, items);
          const actual = y.read();
          const expected = linearReference(weights, q8?.values ?? x, rows, cols, tokens);
          checkClose(actual, expected.y, TOLERANCE, expected.magnitude);
          if (tokens === most) all = actual;
          checkSameBits(actual, all.slice(0, actual.length), `${tokens} tokens, or ${most}`);
          const split = kernels.output(tokens * rows);
          kernels.run("linear", { ...args, y: split }, items, 3);
          checkSameBits(split.read(), actual, "in three parts");
        }
      });
    }
  }
}

test("shards fill their own rows of y, one for every row of logits", async () => {
  const kernels = new CpuKernels();
  const parts = [randomTensor("q8_0", 40, 96, 1), randomTensor("q8_0", 30, 96, 2)];
  const tokens = 5;
  const x = randomFloats(tokens * 96, 7);
  const { xq, xs, values } = quantized(kernels, x, 96);
  const y = kernels.output(tokens * 70);
  const step = kernels.step(99, tokens, 0);
  for (const [i, part] of parts.entries()) {
    const quants = kernels.place(await panelsOf(part, "q8_0"));
    const shard = { FIRST_ROW: 40 * i, ROWS: part.shape[0], ROWS_TOTAL: 70 };
    const args = { step, quants, xq, xs, y, ...shard, ...UNENDED, FORMAT: 2, COLS: 96, COUNT_ROWS: true };
    kernels.run("linear", args, Math.ceil(part.shape[0] / 8));
  }
  const expected = linearReference(await valuesOf(parts), values, 70, 96, tokens);
  checkClose(y.read(), expected.y, TOLERANCE, expected.magnitude);
});

test("quantize rounds to the nearest of 255 steps a block, and sums them; zeros and all but zeros stay zero", () => {
  for (const build of BUILDS) {
    const kernels = new CpuKernels(build);
    const x = randomFloats(5 * 96, 7);
    x.fill(0, 32, 64);
    x.fill(1e-40, 64, 96);
    const xq = kernels.output(x.length / 4);
    const xs = kernels.output(x.length / 16);
    kernels.run("quantize", { x: kernels.place(x), xq, xs, COLS: 96 }, 5, 2);
    const quants = new Int8Array(xq.read().buffer);
    const pairs = xs.read();
    for (let block = 0; block * 32 < x.length; block++) {
      const values = x.subarray(block * 32, block * 32 + 32);
      const q = quants.subarray(block * 32, block * 32 + 32);
      const [scale, sum] = pairs.subarray(2 * block, 2 * block + 2);
      const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      assert.ok(Math.abs(scale - largest / 127) <= 1e-6 * largest + 1e-30, `scale of block ${block}`);
      assert.ok(Math.abs(sum - scale * q.reduce((total, v) => total + v, 0)) <= 1e-5, `sum of block ${block}`);
      values.forEach((v, i) => {
        assert.ok(Math.abs(v - scale * q[i]) <= 0.5001 * scale + 1e-30, `element ${i} of block ${block}`);
      });
    }
  }
});
