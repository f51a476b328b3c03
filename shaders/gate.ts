// The hidden layer of a routed sequence's gate, or its similarity to arrow prototypes. See gate.wgsl.
// It knows nothing of how logits become choices (route.ts does).

import type { Grid } from "../engine/gpu/program.ts";
import { type Build, compose } from "./compose.ts";
import { type StepShape, shader } from "./step.ts";

const OWN = {
  step: "uniform",
  tokens: "read",
  sequences: "read",
  x: "read",
  pool: "read",
  gate: "read_write",
} as const;

/** The WGSL that says how a router lies in the pool. */
export const ROUTER_PART = { parts: [shader("parts/router")], bindings: {}, constants: {} };

const ROWS_PART = { parts: [shader("parts/add_rows")], bindings: {}, constants: {} };

/** `gateWidth`: widest gate there is room for, a multiple of 4. */
export function gate(facts: { hidden: number; gateWidth: number }): Build {
  return compose("gate", OWN, { HIDDEN: facts.hidden, GATE_WIDTH: facts.gateWidth }, [ROWS_PART, ROUTER_PART]);
}

export function gateGrid(shape: StepShape): Grid {
  return [Math.ceil(shape.gateWidth / 128), Math.ceil(shape.tokens / 4), 1];
}
