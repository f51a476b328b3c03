// A LoRA adapter as numbers in host memory: per layer and module, A, B and the scale.
// peft.ts reads it from files, engine/adapters/pack_adapter.ts packs it for the device.

import type { AdapterReport } from "../../proto/api.ts";
import type { LoraModuleName } from "../families/modules.ts";
import type { Compressed } from "./compressed_adapter.ts";

/** One module's pair: Δ = scale · B · A. A is [rank, in], B is [out, rank], both row-major f32. */
export interface LoraModule {
  rank: number;
  scale: number;
  a: Float32Array;
  b: Float32Array;
}

/** An immutable generation of an adapter. `layers[i]` holds only the modules it extends. */
export interface Adapter {
  name: string;
  /** SHA-256 (hex) over config and weights. */
  hash: string;
  layers: Partial<Record<LoraModuleName, LoraModule>>[];
  report: AdapterReport;
  /** Where it shares its factors with others of a compressed set; `layers` says the same without sharing. */
  compressed?: Compressed;
}
