// What a router's runs are written from beside its own numbers, worked out once, when the mixture is loaded. Where they lie, and
// when they are written, is placement.ts's business.

import { BEYOND_HALF } from "../../files/weights/stored/format.ts";
import { packPanels } from "../../files/weights/stored/pack_panels.ts";
import { Q8_0 } from "../../files/weights/stored/q8_0.ts";
import { quantizeQ8_0 } from "../../files/weights/stored/quantize.ts";
import { arrowPrototype } from "../../router/arrow.ts";
import type { Mixture } from "../../router/mixture.ts";
import type { ActivationForm } from "../../shaders/formats/device_format.ts";
import type { ExpertAdapter, PreparedRouter, Prototypes } from "./generation.ts";
import { layerFactors } from "./pack_adapter.ts";

/** `activations`: what the gate's hidden layer is to be multiplied by. */
export function* prepareRouter(
  mixture: Mixture,
  adapters: readonly ExpertAdapter[],
  activations: ActivationForm,
): Generator<void, PreparedRouter> {
  const prototypes = yield* prototypesOf(mixture, adapters);
  const gates = activations === "q8" ? yield* gatesInBytes(mixture) : undefined;
  return { prototypes, ...(gates && { gates }) };
}

/** Prototypes of every layer and expert, one after another; none where the router is no Arrow. */
function* prototypesOf(mixture: Mixture, adapters: readonly ExpertAdapter[]): Generator<void, Prototypes> {
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

/**
 * The hidden layers of an MLP router as the CPU's linear layers hold q8_0: the gates of one sequence read little but these, and
 * a quarter of the bytes takes a quarter of the time. Undefined for other routers, and where a weight is too large for it.
 */
function* gatesInBytes({ router, baseModel }: Mixture): Generator<void, Uint8Array<ArrayBuffer>[] | undefined> {
  if (router.type !== "mlp") return undefined;
  const gates: Uint8Array<ArrayBuffer>[] = [];
  for (const { fc1Weight } of router.layers) {
    const panels = packPanels(Q8_0.repack(quantizeQ8_0(fc1Weight)), "q8_0", baseModel.hiddenSize);
    if (panels === BEYOND_HALF) return undefined;
    gates.push(panels);
    yield;
  }
  return gates;
}
