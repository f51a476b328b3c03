// Picks the next token of each row of logits on the device, or scores a given one. See sample.wgsl.
// engine/step/batch.ts writes its rows, engine/step/results.ts reads its results.

import type { Kernel } from "../kernel.ts";

/** Most alternatives a token is reported with. */
export const MAX_ALTERNATIVES = 20;
/** Words of a row's result: id, log-probability, and the same of each alternative. */
export const RESULT_WORDS = 2 + 2 * MAX_ALTERNATIVES;
/** `LogitRow.given`: pick a token. `LogitRow.mask` and `LogitRow.bias`: there is none. */
export const SAMPLE = 0xffffffff;
export const NO_MASK = 0xffffffff;
export const NO_BIAS = 0xffffffff;
/** A result's id where a logit of its row is NaN or infinite: no token was picked. */
export const OVERFLOW = 0xffffffff;
/** Flag in `counts` of a token that occurs in the prompt. */
export const IN_PROMPT = 0x80000000;

export const sample: Kernel<{ vocab: number }> = {
  name: "sample",
  constants: ({ vocab }) => ({ VOCAB: vocab, RESULT: RESULT_WORDS }),
  wgsl: ({ vocab }) => ({
    text: "sampling/sample",
    bindings: {
      rows: "read",
      logits: "read",
      counts: "read_write",
      masks: "read",
      sampled: "read_write",
      results: "read_write",
    },
    fragments: [{ texts: [vocab % 4 === 0 ? "sampling/logits_vec4" : "sampling/logits_f32"] }],
    grid: ({ rows }) => [rows, 1, 1],
  }),
  cpu: () => [{ body: "sample", items: ({ rows }) => rows }],
};
