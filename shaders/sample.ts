// Picks the next token of each row of logits on the device, or scores a given one. See sample.wgsl.
// It knows nothing of requests; engine/sampling writes its rows.

import type { Grid } from "../engine/gpu/program.ts";
import { type Build, compose } from "./compose.ts";
import { type StepShape, shader } from "./step.ts";

const OWN = {
  rows: "read",
  logits: "read",
  counts: "read_write",
  masks: "read",
  sampled: "read_write",
  results: "read_write",
} as const;

/** Most alternatives a token is reported with. */
export const MAX_ALTERNATIVES = 20;
/** Words of a row's result: id, log-probability, and the same of each alternative. */
export const RESULT_WORDS = 2 + 2 * MAX_ALTERNATIVES;
/** Words of a `LogitRow`. */
export const LOGIT_ROW_WORDS = 16;
/** `LogitRow.given`: pick a token. `LogitRow.mask` and `LogitRow.bias`: there is none. */
export const SAMPLE = 0xffffffff;
export const NO_MASK = 0xffffffff;
export const NO_BIAS = 0xffffffff;
/** Flag in `counts` of a token that occurs in the prompt. */
export const IN_PROMPT = 0x80000000;

export function sample({ vocab }: { vocab: number }): Build {
  const part = vocab % 4 === 0 ? "parts/logits_vec4" : "parts/logits_f32";
  const logits = { parts: [shader(part)], bindings: {}, constants: {} };
  return compose("sample", OWN, { VOCAB: vocab, RESULT: RESULT_WORDS }, [logits]);
}

export function sampleGrid(shape: StepShape): Grid {
  return [shape.rows, 1, 1];
}
