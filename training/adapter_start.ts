// A fresh LoRA as PEFT starts one: A uniform, B zero, so that the model equals the base until training changes B.

import type { ModelConfig } from "../files/families/config.ts";
import { LORA_MODULES, type LoraModuleName, moduleShape } from "../files/families/modules.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { Random } from "./random.ts";

export interface AdapterShape {
  rank: number;
  /** The scale is alpha / rank. */
  alpha: number;
  modules: readonly LoraModuleName[];
  /** Default: all. */
  layers?: ReadonlySet<number>;
}

/** A is uniform in ±1/√inputs, which is Kaiming's bound with a = √5 (PEFT's `reset_lora_parameters`). */
export function freshAdapter(
  config: ModelConfig,
  { rank, alpha, modules, layers }: AdapterShape,
  seed: number,
): Adapter["layers"] {
  return Array.from({ length: config.numLayers }, (_, layer) => {
    if (layers?.has(layer) === false) return {};
    const entries = modules.map((module) => {
      const [outputs, inputs] = moduleShape(config, module);
      const random = new Random(seed, layer, LORA_MODULES.indexOf(module), 0x10ea);
      const bound = 1 / Math.sqrt(inputs);
      const a = Float32Array.from({ length: rank * inputs }, () => bound * (2 * random.next() - 1));
      return [module, { rank, scale: alpha / rank, a, b: new Float32Array(outputs * rank) }];
    });
    return Object.fromEntries(entries);
  });
}
