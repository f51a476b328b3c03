// The language-model loss of rows of logits, and its gradient in their place. See cross_entropy.wgsl.
// It knows nothing of which tokens the rows belong to.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";

/** Bytes of a row: token, target, weight, unused. */
export const LOSS_ROW_BYTES = 16;

export function crossEntropy(vocab: number): Build {
  const own = { rows: "read", logits: "read_write", losses: "read_write" } as const;
  return compose("training/cross_entropy", own, { VOCAB: vocab });
}

/** A workgroup for each of a chunk's rows. */
export function crossEntropyGrid(rows: number): () => Grid {
  return () => [rows, 1, 1];
}
