// An Adapter as the two files of a PEFT folder, so that PEFT and molora read back the same deltas.
// The caller puts the text and the bytes where they belong.

import type { ModelConfig } from "../families/config.ts";
import { type WrittenTensor, type WrittenType, writeSafetensors } from "../weights/safetensors/safetensors_write.ts";
import type { Adapter } from "./adapter.ts";
import { type PlacedLora, placedLoras } from "./fuse.ts";

export interface PeftWriteOptions {
  /** base_model_name_or_path. */
  baseModel?: string;
  /** Stored type of the factors. Default: f32. */
  type?: WrittenType;
}

export interface PeftFiles {
  /** adapter_config.json */
  config: string;
  /** adapter_model.safetensors */
  safetensors: Uint8Array;
}

/**
 * The names, and the matrices that hold several modules, are those of `base`. Ranks and scales that differ between modules become rank_pattern and alpha_pattern. alpha = scale · rank with
 * use_rslora off: the same delta, whichever way the scale came about.
 */
export function writePeftAdapter(
  adapter: Pick<Adapter, "layers">,
  base: ModelConfig,
  options: PeftWriteOptions = {},
): PeftFiles {
  const places = placedLoras(adapter, base);
  const tensors = places.flatMap(({ path, lora }): WrittenTensor[] => {
    const type = options.type ?? "f32";
    const { rank, a, b } = lora;
    return [
      { name: `base_model.model.${path}.lora_A.weight`, type, shape: [rank, a.length / rank], data: a },
      { name: `base_model.model.${path}.lora_B.weight`, type, shape: [b.length / rank, rank], data: b },
    ];
  });
  const ranks = places.map(({ lora }) => lora.rank);
  const alphas = places.map(({ lora }) => lora.rank * lora.scale);
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: options.baseModel ?? null,
    inference_mode: true,
    r: commonest(ranks),
    rank_pattern: exceptions(places, ranks),
    lora_alpha: commonest(alphas),
    alpha_pattern: exceptions(places, alphas),
    use_rslora: false,
    lora_dropout: 0,
    bias: "none",
    fan_in_fan_out: false,
    target_modules: targetModules(places, base.numLayers),
  };
  return {
    config: `${JSON.stringify(config, undefined, 2)}\n`,
    safetensors: writeSafetensors(tensors, { format: "pt" }),
  };
}

function commonest(values: number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}

/** Values unlike the commonest, by whole path: as a pattern it fits that one module only. */
function exceptions(places: PlacedLora[], values: number[]): Record<string, number> {
  const usual = commonest(values);
  return Object.fromEntries(places.map(({ path }, i) => [path, values[i]]).filter(([, value]) => value !== usual));
}

/** Plain names where every layer has the same modules, else whole paths. */
function targetModules(places: PlacedLora[], layers: number): string[] {
  const names = [...new Set(places.map(({ path }) => path.slice(path.lastIndexOf(".") + 1)))];
  return names.length * layers === places.length ? names : places.map(({ path }) => path);
}
