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
    const lora = fusedLora(place, layer, config);
    return lora === undefined ? [] : [{ path: place.path, lora }];
  });
}

/**
 * What an adapter's layer adds to a place's matrix; undefined where no module has a LoRA. Modules that share one A, as
 * those read from one matrix do, keep it and their rank. Else A's stand one below the other and B's along the diagonal:
 * the rank is the sum of theirs, and scales that differ from the first go into B.
 *
 * @throws MoloraError `adapter_unsupported` for what a plain LoRA cannot say
 */
export function fusedLora(
  { modules, path }: ModulePlace,
  layer: Adapter["layers"][number],
  config: ModelConfig,
): LoraModule | undefined {
  const found = modules.flatMap((module) => layer[module] ?? []);
  refuseRows(found, path);
  if (found.length === 0 || modules.length === 1) return found[0];
  const [{ rank: firstRank, a: firstA }] = found;
  const scale = found.find((lora) => lora.scale !== 0)?.scale ?? 1;
  const shared = found.every((lora) => lora.a === firstA);
  const rank = shared ? firstRank : found.reduce((sum, lora) => sum + lora.rank, 0);
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
      if (!shared) column += lora.rank;
    }
    row += rows;
  }
  return { rank, scale, a: shared ? firstA : joined(found.map((lora) => lora.a)), b };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function refuseRows(modules: readonly LoraModule[], path: string): void {
  if (modules.every(({ rows, unsettled }) => rows === undefined && unsettled === undefined)) return;
  throw new MoloraError("adapter_unsupported", `${path}: a DoRA or trained biases are no plain LoRA`, {
    remedy: "Take plain LoRA adapters here; requests and mixtures may name this one as it is.",
  });
}
