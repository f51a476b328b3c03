// Paged causal attention with grouped queries, for prefill and decode alike. See attention.wgsl.
// It knows nothing of adapters, nor of how pages are handed out.

import type { Grid } from "../engine/gpu/program.ts";
import { type ActivationForm, activationFragment } from "./activation_form.ts";
import { type Build, compose } from "./compose.ts";
import type { HeadFacts } from "./rope_kv.ts";
import type { StepShape } from "./step.ts";

const OWN = {
  step: "uniform",
  tokens: "read",
  sequences: "read",
  blocks: "read",
  q: "read",
  pool: "read",
  x: "read_write",
} as const;

/** Rows of q that one workgroup takes: heads that share K and V, for neighbouring tokens. */
export interface AttentionTile {
  heads: number;
  tokens: number;
}

/** Rows that fit a thread's registers, and values of q that fit shared memory beside all else. */
const MOST_ROWS = 8;
const MOST_VALUES = 1024;

/** The tile for steps of about `tokens` tokens. Few tokens are of as many sequences, which share nothing. */
export function attentionTile({ numHeads, numKvHeads, headDim }: HeadFacts, tokens: number): AttentionTile {
  const most = Math.max(1, Math.min(MOST_ROWS, Math.floor(MOST_VALUES / headDim)));
  const shared = numHeads / numKvHeads;
  const heads = Math.max(...divisorsOf(shared).filter((count) => count <= most));
  return { heads, tokens: tokens < MOST_ROWS * 2 ? 1 : Math.floor(most / heads) };
}

function divisorsOf(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1).filter((divisor) => count % divisor === 0);
}

/** Throws RangeError where int8 blocks would straddle workgroups. */
export function attention(
  { numHeads, numKvHeads, headDim }: HeadFacts,
  activations: ActivationForm,
  tile: AttentionTile,
): Build {
  if (activations === "q8" && (tile.heads * headDim) % 32 !== 0) {
    throw new RangeError(`attention: ${tile.heads} heads of ${headDim} are not whole blocks of 32`);
  }
  const columns = headDim / 4;
  const constants = {
    HEADS: numHeads,
    KV_HEADS: numKvHeads,
    HEAD_DIM: headDim,
    GROUP: tile.heads,
    QUERIES: tile.tokens,
    // Whole columns of V to a workgroup of about 64 threads, so that no thread idles in the second half.
    WORKGROUP: columns * Math.max(1, Math.floor(64 / columns)),
    SCALE: 1 / Math.sqrt(headDim),
  };
  return compose("attention", OWN, constants, [activationFragment(activations)]);
}

export function attentionGrid(numHeads: number, tile: AttentionTile): (shape: StepShape) => Grid {
  return (shape) => [numHeads / tile.heads, Math.ceil(shape.tokens / tile.tokens), 1];
}
