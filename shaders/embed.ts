// Looks tokens up in the embedding table. See embed.wgsl.
// It knows nothing of tokenizers; ids out of range are refused long before.

import type { Grid } from "../engine/gpu/program.ts";
import { type Build, compose } from "./compose.ts";
import { type StepShape, shader } from "./step.ts";

const OWN = {
  step: "uniform",
  quants: "read",
  scales: "read",
  tokens: "read",
  sequences: "read",
  sampled: "read",
  residual: "read_write",
  ids: "read_write",
} as const;

/** `rows` from `firstRow` on are the shard's; `format` names a parts/format_*.wgsl. */
export function embed(facts: { format: string; cols: number; firstRow: number; rows: number }): Build {
  const constants = { COLS: facts.cols, FIRST_ROW: facts.firstRow, ROWS: facts.rows };
  const names = ["linear_packed", `format_${facts.format}`].map((name) => `parts/${name}`);
  const format = { parts: names.map(shader), bindings: {}, constants: {} };
  return compose("embed", OWN, constants, [format]);
}

export function embedGrid(shape: StepShape): Grid {
  return [shape.tokens, 1, 1];
}
