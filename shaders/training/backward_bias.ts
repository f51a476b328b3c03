// Gradient of a router's bias, added up over tokens. See backward_bias.wgsl.
// It knows nothing of the matrix beside it.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";

export function backwardBias(facts: { rows: number }): Build {
  return compose("training/backward_bias", { step: "uniform", dy: "read", db: "read_write" }, { ROWS: facts.rows });
}

export function backwardBiasGrid(rows: number): () => Grid {
  return () => [Math.ceil(rows / 64), 1, 1];
}
