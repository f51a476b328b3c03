// Several adapters of one base, place by place: what each of them adds to one matrix of one layer.

import type { ModelConfig } from "../files/families/config.ts";
import type { LoraModuleName } from "../files/families/modules.ts";
import type { Adapter, LoraModule } from "../files/lora/adapter.ts";
import { fusedLora } from "../files/lora/fuse.ts";
import { modulePlaces } from "../files/lora/targets.ts";
import type { Factored } from "./linear/factored.ts";
import { matrixOf } from "./linear/matrix.ts";

/** A matrix of the base that at least one of the adapters extends, and what each of them has for it. */
export interface Place {
  layer: number;
  /** One module, or those that the base keeps in one matrix. */
  modules: readonly LoraModuleName[];
  /** As PEFT finds it: "model.layers.3.self_attn.q_proj". */
  path: string;
  /** In the order of the adapters; undefined where one does not extend this matrix. */
  loras: readonly (LoraModule | undefined)[];
}

/** In the base's order. Places that no adapter extends are left out. */
export function placesOf(adapters: readonly Pick<Adapter, "layers">[], config: ModelConfig): Place[] {
  return modulePlaces(config).flatMap((place) => {
    const loras = adapters.map(({ layers }) => fusedLora(place, layers[place.layer] ?? {}, config));
    return loras.some((lora) => lora !== undefined) ? [{ ...place, loras }] : [];
  });
}

/** Δ = B·A in float64, the scale folded into B. */
export function deltaOf({ rank, scale, a, b }: LoraModule): Factored {
  const rows = b.length / rank;
  const scaled = new Float64Array(b);
  for (let i = 0; i < scaled.length; i++) scaled[i] *= scale;
  return {
    b: { rows, cols: rank, data: scaled },
    a: matrixOf(rank, a.length / rank, a),
  };
}
