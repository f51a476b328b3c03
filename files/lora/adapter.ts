// A LoRA adapter as numbers in host memory: per layer and module, A, B and the scale.
// peft.ts reads it from files, engine/adapters/pack_adapter.ts packs it for the device.

import type { AdapterReport } from "../../proto/api.ts";
import type { LoraModuleName } from "../families/modules.ts";
import type { Compressed } from "./shared_factors.ts";
import type { VocabularyChange } from "./vocabulary.ts";

/**
 * What a module adds to its output y = W x (+ bias): Δ = scale · B · A · x + gain ⊙ y + shift. A is [rank, in], B is
 * [out, rank], both row-major f32. Rank 0 where it has no pair.
 */
export interface LoraModule {
  rank: number;
  scale: number;
  a: Float32Array;
  b: Float32Array;
  /** Absent: gain and shift are 0, a plain LoRA. */
  rows?: RowChange;
  /** What becomes `rows` and a part of B once the base is at hand; engine/adapters/settle.ts does that. */
  unsettled?: Unsettled;
}

/** [out] each. */
export interface RowChange {
  gain: Float32Array;
  shift: Float32Array;
}

/** What of an adapter cannot be said without the base's own weights. [out] each. */
export interface Unsettled {
  /** DoRA (Liu 2024): the lengths that rows of W + scale · B · A are brought to. */
  magnitude?: Float32Array;
  /** Added as it is. */
  bias?: Float32Array;
  /** Stands in the place of the base's bias. */
  newBias?: Float32Array;
}

/**
 * What an adapter adds to a layer's own experts. router: to the logits by which experts are chosen, [experts] of [hidden]. The
 * others: to the matrices of all experts, one behind the other: A is [experts, rank, in], B [experts, out, rank]; an expert that
 * the adapter leaves alone has zeros.
 */
export type ExpertLayer = Partial<Record<"router" | "gate_proj" | "up_proj" | "down_proj", LoraModule>>;

/** An immutable generation of an adapter. `layers[i]` holds only the modules it extends. */
export interface Adapter {
  name: string;
  /** SHA-256 (hex) over config and weights. */
  hash: string;
  layers: Partial<Record<LoraModuleName, LoraModule>>[];
  /** By layer, where it extends the base's own experts. */
  experts?: readonly ExpertLayer[];
  /** Activated LoRA (Greenewald 2025): it acts from the last place in a prompt where these tokens stand, on them too. */
  invocation?: readonly number[];
  /** Absent: the base's embedding and head. Empty once it is on the device (engine/adapters/vocabularies.ts). */
  vocabulary?: VocabularyChange;
  report: AdapterReport;
  /** Where it shares its factors with others of a compressed set; `layers` says the same without sharing. */
  compressed?: Compressed;
}
