// Paged causal attention with grouped queries, for prefill and decode alike. See attention.wgsl.

import type { Kernel } from "../kernel.ts";
import type { HeadFacts } from "./rope_kv.ts";

export interface AttentionFacts extends HeadFacts {
  /** About how many tokens a step has: it decides which rows of q share their loads of K and V. */
  tokens: number;
  /** What q · k is multiplied by. Default 1/√headDim. */
  scale?: number | undefined;
  /** q · k becomes softcap · tanh(q · k / softcap). */
  softcap?: number | undefined;
  /** A token sees itself and the `window` − 1 positions before it. Default 0: all before it. */
  window?: number | undefined;
}

/** Rows of q that one workgroup takes: heads that share K and V, for neighbouring tokens. */
interface Tile {
  heads: number;
  tokens: number;
}

/** Rows that fit a thread's registers, and values of q that fit shared memory beside all else. */
const MOST_ROWS = 8;
const MOST_VALUES = 1024;

export const attention: Kernel<AttentionFacts> = {
  name: "attention",
  constants: ({ numHeads, numKvHeads, headDim, scale, softcap, window }) => ({
    HEADS: numHeads,
    KV_HEADS: numKvHeads,
    HEAD_DIM: headDim,
    SCALE: scale ?? 1 / Math.sqrt(headDim),
    SOFTCAP: softcap ?? 0,
    WINDOW: window ?? 0,
  }),
  wgsl: (facts) => {
    const tile = tileOf(facts);
    const columns = facts.headDim / 4;
    return {
      text: "layer/attention",
      bindings: {
        step: "uniform",
        tokens: "read",
        sequences: "read",
        blocks: "read",
        q: "read",
        pool: "read",
        x: "read_write",
      },
      fragments: [{ texts: [`layer/kv_${facts.kv ?? "f32"}`] }],
      constants: {
        GROUP: tile.heads,
        QUERIES: tile.tokens,
        // Whole columns of V to a workgroup of about 64 threads, so that no thread idles in the second half.
        WORKGROUP: columns * Math.max(1, Math.floor(64 / columns)),
      },
      grid: ({ tokens }) => [facts.numHeads / tile.heads, Math.ceil(tokens / tile.tokens), 1],
    };
  },
  // A head of four tokens an item: even one token's heads are shared among threads.
  cpu: ({ numHeads, kv }) => [
    {
      body: "attention",
      constants: { GROUP: 1, KV_HALF: kv === "f16" },
      items: ({ tokens }) => Math.ceil(tokens / 4) * numHeads,
    },
  ],
};

/** Few tokens are of as many sequences, which share nothing. */
function tileOf({ numHeads, numKvHeads, headDim, tokens }: AttentionFacts): Tile {
  const most = Math.max(1, Math.min(MOST_ROWS, Math.floor(MOST_VALUES / headDim)));
  const heads = Math.max(...divisorsOf(numHeads / numKvHeads).filter((count) => count <= most));
  return { heads, tokens: tokens < MOST_ROWS * 2 ? 1 : Math.floor(most / heads) };
}

function divisorsOf(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1).filter((divisor) => count % divisor === 0);
}
