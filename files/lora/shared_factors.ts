// What adapters of a compressed set have in common, and what each has of its own.

import type { LoraModuleName } from "../families/modules.ts";

/** U [out, rank] and V [rank, in] of one matrix, row-major. */
export interface SharedModule {
  rank: number;
  u: Float32Array;
  v: Float32Array;
}

/** What the adapters of a cluster have in common; one object however many of them are loaded. */
export interface SharedFactors {
  /** SHA-256 (hex) over the factors. */
  hash: string;
  layers: Partial<Record<LoraModuleName, SharedModule>>[];
}

/** How an adapter lies on the device where it shares factors: Δ = U · core · V. */
export interface Compressed {
  shared: SharedFactors;
  /** Per layer and module [rank, rank] row-major, or [rank], a diagonal. Only modules that the adapter extends. */
  cores: Partial<Record<LoraModuleName, Float32Array>>[];
}
