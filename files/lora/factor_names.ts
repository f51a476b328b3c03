// Names of an adapter's tensors, whichever tool wrote them, as places: which factor of which module.

import { unwrap } from "./prefixes.ts";

export interface FactorName {
  /** What stood before the decoder, see prefixes.ts. */
  outer: string;
  /** Path of the module inside the decoder: "layers.3.self_attn.q_proj". */
  inner: string;
  factor: "a" | "b" | "alpha";
}

/**
 * Spellings of the two factors: PEFT's and loralib's `lora_A`, mlx-lm's and llama.cpp's `lora_a`, kohya's and diffusers'
 * `lora_down` and `lora_up`. The adapter's name may stand before "weight"; loralib has no "weight".
 */
const FACTOR = /^(.+)\.(?:lora_(A|B|a|b|down|up)(?:\.[^.]+)?(?:\.weight)?|(alpha))$/;

const LETTERS: Readonly<Record<string, FactorName["factor"]>> = { A: "a", a: "a", down: "a", B: "b", b: "b", up: "b" };

/** Undefined where the name is of no factor. */
export function parseFactorName(name: string): FactorName | undefined {
  const [, path, letter, alpha] = FACTOR.exec(name) ?? [];
  if (path === undefined) return undefined;
  const { outer, inner } = unwrap(path);
  return { outer, inner, factor: alpha === undefined ? LETTERS[letter] : "alpha" };
}

/** kohya's spelling of a module's path, in one segment: "lora_model_layers_3_self_attn_q_proj". */
export function kohyaName(path: string): string {
  return `lora_${path.replaceAll(".", "_")}`;
}
