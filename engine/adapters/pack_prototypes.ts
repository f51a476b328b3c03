// What an Arrow router knows of its experts, taken from their packed adapters once, when the mixture is loaded.

import { arrowPrototype } from "../../router/arrow.ts";
import type { Mixture } from "../../router/mixture.ts";
import type { ExpertAdapter, Prototypes } from "./generation.ts";
import { layerFactors } from "./pack_adapter.ts";

/** Prototypes of every layer and expert, one after another; none where the router is no Arrow. */
export function* prototypesOf(mixture: Mixture, adapters: readonly ExpertAdapter[]): Generator<void, Prototypes> {
  if (mixture.router.type !== "arrow") return [];
  const prototypes: (Float32Array | undefined)[][] = [];
  for (let layer = 0; layer < mixture.baseModel.numLayers; layer++) {
    const row: (Float32Array | undefined)[] = [];
    for (const adapter of adapters) {
      row.push(adapter && arrowPrototype(layerFactors(adapter, layer)));
      yield;
    }
    prototypes.push(row);
  }
  return prototypes;
}
