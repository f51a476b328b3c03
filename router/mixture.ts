// A mixture in host memory: experts by name, and the router that chooses among them.
// format.ts reads it from files, write.ts makes them, engine/adapters/pack_router.ts packs the router for the device.

/** Weights of the 2-layer gate of one layer; E' = E, or E + 1 with belief (last row: switch logit). */
export interface MlpGate {
  /** [hidden, d] */
  fc1Weight: Float32Array;
  /** [hidden] */
  fc1Bias: Float32Array;
  /** [E', hidden] */
  fc2Weight: Float32Array;
  /** [E'] */
  fc2Bias: Float32Array;
}

/** What the experts of one layer are recognised by: an expert serves the tokens that are near its key. */
export interface KeyLayer {
  /** [E, d]: unit vectors; a row of zeros is no key, and its expert is never recognised. */
  keys: Float32Array;
  /** [d]: what is taken from a token's normed input before it is compared. */
  center: Float32Array;
  /** [E]: the least cosine at which a key is met. */
  thresholds: Float32Array;
}

export interface GateRule {
  /** Experts kept per token. */
  topK: number;
  /** "unit": 1/topK each; "softmax": renormalised probabilities of the kept. */
  gate: "unit" | "softmax";
  temperature: number;
}

/**
 * How experts are chosen. All types share the gate rule; `vocabulary` ignores it (one expert, gate 1). `keys`: a token's
 * cosines are averaged over the tokens before it, the last 1 / (1 − memory) of them; where no key is met, the default
 * expert serves alone. Source: SoLA (arXiv 2603.11239): an expert and a key for each edit.
 */
export type Router =
  | ({ type: "mlp"; hiddenSize: number; belief: boolean; layers: MlpGate[] } & GateRule)
  | ({ type: "arrow" } & GateRule)
  | ({ type: "uniform" } & GateRule)
  | ({ type: "keys"; memory: number; default: number; layers: KeyLayer[] } & GateRule)
  | { type: "vocabulary"; ranges: [from: number, to: number, expert: number][]; default: number };

export interface MixtureExpert {
  name: string;
  /** Path of the PEFT folder as written in the file, or undefined: this expert adds nothing. */
  adapter: string | undefined;
  sha256: string | undefined;
}

/** A mixture as it was read; never changed, so that requests can be pinned to it. */
export interface Mixture {
  name: string;
  /** SHA-256 (hex) over mixture.json and the router's tensors. */
  hash: string;
  baseModel: { architecture: string; hiddenSize: number; numLayers: number };
  experts: MixtureExpert[];
  router: Router;
}
