// Fills a layer's table: which adapters, at which gate, each token takes there. See route.wgsl.
// It knows nothing of what adapters compute.

import type { Grid } from "../engine/gpu/program.ts";
import { type Build, compose } from "./compose.ts";
import { ROUTER_PART } from "./gate.ts";
import type { StepShape } from "./step.ts";

const OWN = {
  sequences: "read",
  fixed_entries: "read",
  ids: "read",
  gate: "read",
  pool: "read",
  evidence: "read_write",
  belief: "read_write",
  table: "read_write",
  blocks: "read",
} as const;

export interface RouteFacts {
  /** Sequences there is state for. */
  sequences: number;
  /** Entries a token can have. */
  entries: number;
  /** Experts a mixture can have. */
  experts: number;
  gateWidth: number;
}

export function route({ sequences, entries, experts, gateWidth }: RouteFacts): Build {
  const constants = { SEQUENCES: sequences, ENTRIES: entries, EXPERTS: experts, GATE_WIDTH: gateWidth };
  return compose("route", OWN, constants, [ROUTER_PART]);
}

export function routeGrid(shape: StepShape): Grid {
  return [shape.sequences, 1, 1];
}
