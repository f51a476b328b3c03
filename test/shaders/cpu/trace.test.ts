// The CPU's trace kernel: the entries of the rows' tokens in every layer, tables aligned as the workspace aligns them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LOGIT_ROW_WORDS } from "../../../shaders/sample.ts";
import { tableStride } from "../../../shaders/step.ts";
import { CpuKernels } from "./cpu_kernels.ts";

for (const [layers, maxTokens, entries] of [
  [1, 1, 1],
  [5, 7, 3],
  [30, 80, 4],
]) {
  test(`${layers} layers, ${maxTokens} tokens of ${entries} entries`, () => {
    const kernels = new CpuKernels();
    const stride = tableStride(maxTokens, entries);
    const table = new Uint32Array(layers * stride * 4).map((_, i) => i);
    const tokens = Array.from({ length: Math.min(maxTokens, 9) }, (_, r) => (maxTokens - 1 + 3 * r) % maxTokens);
    const rows = new Uint32Array(tokens.length * LOGIT_ROW_WORDS).fill(9999);
    for (const [r, token] of tokens.entries()) rows[r * LOGIT_ROW_WORDS] = token;
    const out = kernels.output(tokens.length * layers * entries * 2);
    const args = { rows: kernels.place(rows), table: kernels.place(table), trace: out };
    kernels.run("trace", { ...args, LAYERS: layers, STRIDE: stride, ENTRIES: entries }, tokens.length, 2);
    const expected = tokens.flatMap((token) =>
      Array.from({ length: layers * entries }, (_, i) => {
        const at = 4 * (Math.floor(i / entries) * stride + token * entries + (i % entries));
        return [at + 2, at + 1];
      }),
    );
    assert.deepEqual([...out.readWords()], expected.flat());
  });
}
