// Collects the routing of the tokens whose logits are wanted, so that the host can show it. See trace.wgsl.
// It knows nothing of experts' names.

import type { Grid } from "../engine/gpu/program.ts";
import { type Build, compose } from "./compose.ts";
import { LOGIT_ROW_WORDS } from "./sample.ts";
import { type StepShape, tableStride } from "./step.ts";

const OWN = { rows: "read", table: "read", trace: "read_write" } as const;

export function trace(facts: { layers: number; maxTokens: number; entries: number }): Build {
  const { layers, maxTokens, entries } = facts;
  const stride = tableStride(maxTokens, entries);
  const constants = { LAYERS: layers, STRIDE: stride, ENTRIES: entries, LOGIT_ROW: LOGIT_ROW_WORDS };
  return compose("trace", OWN, constants);
}

export function traceGrid(shape: StepShape): Grid {
  return [shape.rows, 1, 1];
}
