// The hidden layer of a routed sequence's gate, or its similarity to arrow prototypes. See gate.wgsl.
// It knows nothing of how logits become choices (route.ts does).

import type { Body } from "../engine/gpu/gpu.ts";
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

/** Threads, each of four rows: few, so that the cores of a software adapter share even one token's gate. */
const WORKGROUP: Record<Body, number> = { rowPerThread: 8, workgroupPerRows: 32 };

const ROWS_PART = { parts: [shader("parts/add_rows")], bindings: {}, constants: {} };

export interface GateFacts {
  hidden: number;
  /** Widest gate there is room for, a multiple of 4. */
  gateWidth: number;
  body: Body;
  /** Tokens that a thread takes together. */
  tokens: 1 | 4;
}

export function gate({ hidden, gateWidth, body, tokens }: GateFacts): Build {
  const constants = { HIDDEN: hidden, GATE_WIDTH: gateWidth, WORKGROUP: WORKGROUP[body], TOKENS: tokens };
  return compose("gate", OWN, constants, [ROWS_PART, ROUTER_PART]);
}

export function gateGrid({ body, tokens }: GateFacts): (shape: StepShape) => Grid {
  return (shape) => [Math.ceil(shape.gateWidth / (4 * WORKGROUP[body])), Math.ceil(shape.tokens / tokens), 1];
}
