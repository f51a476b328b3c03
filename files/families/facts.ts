// What a model computes that a plain Llama does not, as facts of its config, and which of them the kernels compute.

import type { LoraModuleName } from "./modules.ts";

/** A fact that is absent is plain Llama's. Scales are factors; layers count from 0. */
export interface Facts {
  /** Modules that add a bias, [out] each, to their output. */
  biases?: readonly LoraModuleName[];
  /**
   * RMSNorm of q and of k before RoPE: each head for itself (weight [headDim]) or over all heads at once (weight
   * [heads · headDim]).
   */
  qkNorm?: "head" | "projection";
  /** Where a block's RMSNorms stand. Absent: before it. `after`: on its output alone. `around`: both. */
  norms?: "after" | "around";
  /** The MLP's activation. Absent: SiLU. */
  activation?: "gelu_tanh";
  /** The embedding is multiplied by it. */
  embeddingScale?: number;
  /** q·k is multiplied by it. Absent: 1/√headDim. */
  attentionScale?: number;
  /** What a block adds to the residual is multiplied by it. */
  residualScale?: number;
  /** Logits are multiplied by it. */
  logitScale?: number;
  /** q·k after scaling becomes cap · tanh(q·k / cap). */
  attentionSoftcap?: number;
  /** Logits likewise, after scaling. */
  logitSoftcap?: number;
  /** Of each layer: a token sees itself and the `window` − 1 tokens before it; 0: all before it. */
  windows?: readonly number[];
  /** Layers without RoPE. */
  unrotated?: readonly number[];
  /** RoPE's base in layers that have a window, where no scaling applies. Absent: `ropeTheta` and its scaling there too. */
  localRopeTheta?: number;
  /** Elements of a head, from its first, that RoPE rotates. Absent: all. */
  rotaryDim?: number;
  /** The MLP is a mixture of experts. */
  experts?: Experts;
}

export interface Experts {
  count: number;
  /** Experts a token takes. */
  used: number;
  /** Width of one expert's MLP. */
  intermediateSize: number;
  /** The weights of the experts taken sum to 1. */
  normalised: boolean;
  /** Layers with a plain MLP. */
  dense: readonly number[];
}

/** The experts of a layer; undefined where its MLP is a plain one. */
export function expertsOf({ experts }: Facts, layer: number): Experts | undefined {
  return experts?.dense.includes(layer) ? undefined : experts;
}

/** What a refusal calls a fact that a family always has. */
export const FACT_WORDS: Record<keyof Facts, string> = {
  biases: "biases",
  qkNorm: "norms of q and k",
  norms: "norms behind its blocks",
  activation: "GELU",
  embeddingScale: "a scaled embedding",
  attentionScale: "scaled attention",
  residualScale: "a scaled residual",
  logitScale: "scaled logits",
  attentionSoftcap: "soft-capped attention",
  logitSoftcap: "soft-capped logits",
  windows: "a sliding window",
  unrotated: "layers without RoPE",
  localRopeTheta: "a second RoPE base",
  rotaryDim: "partial RoPE",
  experts: "a mixture of experts",
};

/** Facts that the kernels compute. A model with another is refused by what its file says of it. */
export const SERVED: ReadonlySet<keyof Facts> = new Set(Object.keys(FACT_WORDS) as (keyof Facts)[]);

/** Facts of several sources as one: biases are joined, everything else is stated once. */
export function joinFacts(parts: readonly Facts[]): Facts {
  const biases = parts.flatMap((part) => part.biases ?? []);
  return Object.assign({}, ...parts, biases.length > 0 ? { biases: [...new Set(biases)] } : {});
}
