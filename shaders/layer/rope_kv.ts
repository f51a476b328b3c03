// Rotates q and k by position, adds the LoRA deltas of q, k and v, and writes k and v into their pages. See rope_kv.wgsl.

import type { Constants, Fragment, Kernel } from "../kernel.ts";
import { type InPool, type LoraUse, loraConstants, loraFragment } from "../lora/lora_form.ts";

/** What keys and values are held in. */
export type KvDtype = "f32" | "f16";

export interface HeadFacts {
  numHeads: number;
  numKvHeads: number;
  headDim: number;
  /** Default f32. */
  kv?: KvDtype;
}

export interface RopeKvFacts extends HeadFacts {
  /** RMSNorm of q and of k, with the weights `qk_norm`, those of q first: each head for itself, or all heads at once. */
  norm?: { per: "head" | "projection"; eps: number };
  /** Elements of a head, from its first, that are turned. Default all. */
  rotaryDim?: number;
  lora: LoraUse;
}

export const ropeKv: Kernel<RopeKvFacts> = {
  name: "rope_kv",
  constants: ({ numHeads, numKvHeads, headDim, rotaryDim = headDim, lora, ...facts }) => ({
    HEADS: numHeads,
    KV_HEADS: numKvHeads,
    HEAD_DIM: headDim,
    ROTARY: rotaryDim,
    ...normConstants({ numHeads, numKvHeads, headDim, ...facts }),
    ...loraConstants(lora),
  }),
  wgsl: ({ numHeads, numKvHeads, headDim, rotaryDim = headDim, kv = "f32", norm, lora }) => {
    const heads = numHeads + 2 * numKvHeads;
    // A thread a pair where every pair is turned as it is, else a workgroup a head.
    const plain = norm === undefined && rotaryDim === headDim;
    const pool = boundAs(kv, lora);
    return {
      text: plain ? "layer/rope_kv" : "layer/rope_kv_heads",
      bindings: {
        step: "uniform",
        tokens: "read",
        qkv: "read",
        rotations: "read",
        q: "read_write",
        pool: "read_write",
      },
      fragments: [
        loraFragment(lora, pool),
        { texts: [pool === "words" ? "layer/kv_f32_words" : `layer/kv_${kv}`, "layer/rope_kv_rows"] },
        ...(plain ? [] : [normFragment(norm)]),
      ],
      grid: ({ tokens }) => [plain ? Math.ceil((heads * headDim) / 8 / 64) : heads, tokens, 1],
    };
  },
  cpu: ({ numHeads, numKvHeads, kv }) => [
    {
      body: "rope_kv",
      constants: { KV_HALF: kv === "f16" },
      items: ({ tokens }) => tokens * (numHeads + 2 * numKvHeads),
    },
  ],
};

/** Factors that are no floats must not be read as such: a GPU may change the bits of what is no number. */
function boundAs(kv: KvDtype, { form, shape: { dtype = "f32" } }: LoraUse): InPool {
  if (kv === "f16") return "halves";
  return form === "gather" && dtype !== "f32" ? "words" : "floats";
}

/** Rows that are normed together. */
function normConstants({ numHeads, numKvHeads, headDim, norm }: Omit<RopeKvFacts, "lora">): Constants {
  if (norm === undefined) return {};
  const heads = norm.per === "head" ? { q: 1, k: 1 } : { q: numHeads, k: numKvHeads };
  return { NORM_Q: heads.q * headDim, NORM_K: heads.k * headDim, EPS: norm.eps };
}

function normFragment(norm: RopeKvFacts["norm"]): Fragment {
  if (norm === undefined) return { texts: ["layer/qk_norm_none"] };
  return { texts: ["layer/inverse_rms", "layer/qk_norm"], bindings: { qk_norm: "read" }, at: "NORM_BINDING" };
}
