// Names of an adapter's tensors, whichever tool wrote them, as places: which part of the change of which module.

import { unwrap } from "./prefixes.ts";

/**
 * a, b: LoRA's pair. alpha: a scale of the module's own. magnitude: DoRA's. bias: of LoRA's B. newBias: the module's own
 * bias, trained. The others are the factors of LoHa (hada_…) and LoKr (lokr_…).
 */
export type Factor = "a" | "b" | "alpha" | "magnitude" | "bias" | "newBias" | HadamardFactor | KroneckerFactor;
export type HadamardFactor = "hada_w1_a" | "hada_w1_b" | "hada_w2_a" | "hada_w2_b";
export type KroneckerFactor = "lokr_w1" | "lokr_w1_a" | "lokr_w1_b" | "lokr_w2" | "lokr_w2_a" | "lokr_w2_b";

export interface FactorName {
  /** What stood before the decoder, see prefixes.ts. */
  outer: string;
  /** Path of the module inside the decoder: "layers.3.self_attn.q_proj". */
  inner: string;
  factor: Factor;
}

/**
 * Spellings, the first that fits counts: PEFT's and loralib's `lora_A`, mlx-lm's and llama.cpp's `lora_a`, kohya's and
 * diffusers' `lora_down` and `lora_up`; mlx-lm calls a magnitude `m`. The adapter's name may stand before "weight"; loralib
 * has no "weight".
 */
const SPELLINGS: readonly (readonly [RegExp, (match: string) => Factor])[] = [
  [/\.lora_(?:B|b|up)(?:\.[^.]+)?\.bias$/, () => "bias"],
  [/\.lora_(?:A|a|down)(?:\.[^.]+)?(?:\.weight)?$/, () => "a"],
  [/\.lora_(?:B|b|up)(?:\.[^.]+)?(?:\.weight)?$/, () => "b"],
  [/\.lora_magnitude_vector(?:\.[^.]+)?(?:\.weight)?$|\.m$/, () => "magnitude"],
  [/\.(hada_w[12]_[ab]|lokr_w[12](?:_[ab])?)(?:\.[^.]+)?$/, (match) => match as Factor],
  [/\.alpha$/, () => "alpha"],
  [/(?:\.base_layer)?\.bias$/, () => "newBias"],
];

/** Undefined where the name is of no factor. */
export function parseFactorName(name: string): FactorName | undefined {
  for (const [pattern, factor] of SPELLINGS) {
    const found = pattern.exec(name);
    if (found === null || found.index === 0) continue;
    return { ...unwrap(name.slice(0, found.index)), factor: factor(found[1]) };
  }
  return undefined;
}

/** kohya's spelling of a module's path, in one segment: "lora_model_layers_3_self_attn_q_proj". */
export function kohyaName(path: string): string {
  return `lora_${path.replaceAll(".", "_")}`;
}
