// RMSNorm on the CPU without adapters, and what every kernel that ends in int8 blocks leaves beside its floats.
// It knows nothing of LoRA (lora.test.ts).

import assert from "node:assert/strict";
import { test } from "node:test";
import { LOGIT_ROW_WORDS } from "../../../shaders/sample.ts";
import { rmsNorm } from "../../reference/rmsNorm.ts";
import { checkClose, randomFloats } from "../device.ts";
import { checkSameBits } from "../outputs.ts";
import { BUILDS, type CpuArguments, CpuKernels } from "./cpu_kernels.ts";

const TOLERANCE = 1e-5;
const TOKENS = [1, 2, 7, 33];
const NO_LORA = { ENTRIES: 1, GROUP: 1, MODULE0: 0, RANK4: 1 };
/** No whole number of chunks anywhere. */
const COLS = 288;

for (const build of BUILDS) {
  for (const hidden of [4, 64, 260, 576]) {
    test(`${build}: norm of ${hidden} values equals float64, with and without the addition`, () => {
      const kernels = new CpuKernels(build);
      const values = randomFloats(hidden, 1);
      const weight = kernels.place(values);
      for (const tokens of TOKENS) {
        const residual = randomFloats(tokens * hidden, 2).map(
          (value, i) => value * 10 ** ((Math.floor(i / hidden) % 5) - 2),
        );
        residual.fill(0, (tokens - 1) * hidden);
        const output = randomFloats(tokens * hidden, 3);
        for (const add of [false, true]) {
          const sums = kernels.output(residual.length, residual);
          const x = kernels.output(residual.length);
          const pointers = {
            step: kernels.step(tokens, 0, 0),
            residual: sums,
            output: kernels.place(output),
            weight,
            x,
          };
          kernels.run("norm", { ...pointers, ...NO_LORA, HIDDEN: hidden, EPS: 1e-5, ADD: add }, tokens, 2);
          const expected = residual.map((value, i) => value + (add ? output[i] : 0));
          checkSameBits(sums.read(), expected, "residual");
          checkClose(x.read(), rmsNorm(expected, values, 1e-5), TOLERANCE);
        }
      }
    });
  }
}

/** Kernels that end in int8 blocks: run with x, xq and xs among the arguments; x has COLS values a token. */
const FINISHERS: Record<string, (kernels: CpuKernels, tokens: number, out: CpuArguments) => void> = {
  norm(kernels, tokens, out) {
    const residual = kernels.place(randomFloats(tokens * COLS, 5));
    const weight = kernels.place(randomFloats(COLS, 6));
    const constants = { ...NO_LORA, HIDDEN: COLS, EPS: 1e-5, ADD: false };
    kernels.run("norm", { step: kernels.step(tokens, 0, 0), residual, weight, ...constants, ...out }, tokens);
  },
  final_norm(kernels, tokens, out) {
    const rows = new Uint32Array(tokens * LOGIT_ROW_WORDS).map((_, i) => tokens - 1 - Math.floor(i / LOGIT_ROW_WORDS));
    const args = {
      logit_rows: kernels.place(rows),
      residual: kernels.place(randomFloats(tokens * COLS, 5)),
      output: kernels.place(randomFloats(tokens * COLS, 6)),
      weight: kernels.place(randomFloats(COLS, 7)),
    };
    kernels.run("final_norm", { ...args, ...NO_LORA, HIDDEN: COLS, EPS: 1e-5, ...out }, tokens);
  },
  activation(kernels, tokens, out) {
    const gate_up = kernels.place(randomFloats(tokens * 2 * COLS, 8));
    kernels.run("activation", { gate_up, FFN: COLS, ...NO_LORA, ...out }, tokens * Math.ceil(COLS / 256));
  },
  attention(kernels, tokens, out) {
    const words = Array.from({ length: tokens }, (_, t) => [0, t % 16, 0, 0]);
    const args = {
      step: kernels.step(tokens, 0, 0),
      tokens: kernels.place(new Uint32Array(words.flat())),
      sequences: kernels.place(new Uint32Array(8)),
      blocks: kernels.place(new Uint32Array(1)),
      q: kernels.place(randomFloats(tokens * COLS, 9)),
      pool: kernels.place(randomFloats(2 * 16 * 16, 10)),
      ...{ HEADS: COLS / 16, KV_HEADS: 1, HEAD_DIM: 16, GROUP: 2, SCALE: 0.25 },
    };
    kernels.run("attention", { ...args, ...out }, Math.ceil(tokens / 4) * (COLS / 32));
  },
};

for (const build of BUILDS) {
  for (const [name, finish] of Object.entries(FINISHERS)) {
    test(`${build}, ${name}: its int8 blocks are those of the quantize kernel`, () => {
      const kernels = new CpuKernels(build);
      for (const tokens of [1, 7, 33]) {
        const x = kernels.output(tokens * COLS);
        const blocks = () => ({ xq: kernels.output((tokens * COLS) / 4), xs: kernels.output((tokens * COLS) / 16) });
        const [own, expected] = [blocks(), blocks()];
        finish(kernels, tokens, { x, ...own });
        kernels.run("quantize", { x, ...expected, COLS }, tokens);
        assert.ok(x.read().every(Number.isFinite));
        assert.deepEqual(own.xq.readWords(), expected.xq.readWords());
        checkSameBits(own.xs.read(), expected.xs.read(), "scales");
      }
    });
  }
}
