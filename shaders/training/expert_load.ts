// How often each expert was chosen in a step, and how likely it was. See expert_load.wgsl.
// It knows nothing of what the experts are.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";

const OWN = { step: "uniform", gates: "read", p: "read", load: "read_write" } as const;

export function expertLoad(facts: { experts: number; topK: number }): Build {
  return compose("training/expert_load", OWN, { EXPERTS: facts.experts, TOP_K: facts.topK });
}

export function expertLoadGrid(experts: number): () => Grid {
  return () => [Math.ceil(experts / 64), 1, 1];
}
