// The LoRAs of several modules as one LoRA of the matrix that holds them, with the same deltas.

import { MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "../families/config.ts";
import { moduleShape } from "../families/modules.ts";
import type { Adapter, LoraModule } from "./adapter.ts";
import { type ModulePlace, modulePlaces } from "./targets.ts";

export interface PlacedLora {
  path: string;
  lora: LoraModule;
}

/** An adapter's LoRAs by the paths that PEFT finds in a model of `config`. */
export function placedLoras({ layers }: Pick<Adapter, "layers">, config: ModelConfig): PlacedLora[] {
  return modulePlaces(config).flatMap((place): PlacedLora[] => {
    const layer = layers[place.layer] ?? {};
    refuseUnwritten(layer, place.path);
    const lora = fuse(place, layer, config);
    return lora === undefined ? [] : [{ path: place.path, lora }];
  });
}

/** @throws MoloraError `adapter_unsupported` for what a plain LoRA cannot say */
function refuseUnwritten(layer: Adapter["layers"][number], path: string): void {
  if (Object.values(layer).every(({ rows, unsettled }) => !rows && !unsettled)) return;
  throw new MoloraError("adapter_unsupported", `${path}: DoRA and trained biases are read, not written`, {
    remedy: "Take plain LoRA adapters.",
  });
}

/**
 * A's one below the other, B's along the diagonal: the rank is the sum of theirs. Scales that differ from the first
 * one's go into B. Undefined where no module has a LoRA.
 */
function fuse({ modules }: ModulePlace, layer: Adapter["layers"][number], config: ModelConfig): LoraModule | undefined {
  const found = modules.flatMap((module) => layer[module] ?? []);
  if (found.length === 0 || modules.length === 1) return found[0];
  const [{ scale }] = found;
  const rank = found.reduce((sum, lora) => sum + lora.rank, 0);
  const b = new Float32Array(modules.reduce((sum, module) => sum + moduleShape(config, module)[0], 0) * rank);
  let row = 0;
  let column = 0;
  for (const module of modules) {
    const lora = layer[module];
    const [rows] = moduleShape(config, module);
    if (lora !== undefined) {
      for (let i = 0; i < rows; i++) {
        for (let r = 0; r < lora.rank; r++) {
          b[(row + i) * rank + column + r] = lora.b[i * lora.rank + r] * (lora.scale / scale);
        }
      }
      column += lora.rank;
    }
    row += rows;
  }
  const a = new Float32Array(found.reduce((sum, lora) => sum + lora.a.length, 0));
  let at = 0;
  for (const lora of found) {
    a.set(lora.a, at);
    at += lora.a.length;
  }
  return { rank, scale, a, b };
}
