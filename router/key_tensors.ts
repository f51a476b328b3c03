// Converts the tensors of router.safetensors into the keys of every layer, for a router of type "keys", and back.

import type { WrittenTensor } from "../files/weights/safetensors/safetensors_write.ts";
import type { TensorSource } from "../files/weights/tensor.ts";
import { MoloraError } from "../proto/errors.ts";
import { type LayerTensor, readLayers, writtenLayers } from "./layer_tensors.ts";
import type { KeyLayer } from "./mixture.ts";

export interface KeySizes {
  layers: number;
  /** d, the base's hidden size. */
  inputs: number;
  experts: number;
}

/** How far a key's norm may be from 1. */
const UNIT = 1e-3;

/** Name and shape of each tensor of layer i. */
function tensorsOf(layer: number, { inputs, experts }: KeySizes): LayerTensor<keyof KeyLayer>[] {
  return [
    ["keys", `layers.${layer}.keys`, [experts, inputs]],
    ["center", `layers.${layer}.center`, [inputs]],
    ["thresholds", `layers.${layer}.thresholds`, [experts]],
  ];
}

/**
 * Reads every layer's keys.
 *
 * @throws MoloraError `tensor_missing`, `tensor_shape`, `tensor_not_finite`; `mixture_invalid` for a tensor of no layer,
 * and for a key whose norm is neither 1 nor 0.
 */
export async function readKeys(source: TensorSource, sizes: KeySizes): Promise<KeyLayer[]> {
  const layers = Array.from({ length: sizes.layers }, (_, layer) => tensorsOf(layer, sizes));
  const read = await readLayers(source, layers, {
    part: "keys",
    remedy: "mixture.json must list the experts that the keys were made for, in their order.",
  });
  for (const [i, { keys }] of read.entries()) checkUnit(source, layers[i][0][1], keys, sizes.inputs);
  return read;
}

function checkUnit(source: TensorSource, name: string, keys: Float32Array, inputs: number): void {
  for (let e = 0; e * inputs < keys.length; e++) {
    const norm = Math.hypot(...keys.subarray(e * inputs, (e + 1) * inputs));
    if (norm === 0 || Math.abs(norm - 1) <= UNIT) continue;
    throw new MoloraError("mixture_invalid", `${source.name}: ${name}: key ${e} has the norm ${norm}`, {
      remedy: "Keys are unit vectors; zeros stand for an expert without one.",
    });
  }
}

/** Every layer's keys as named tensors. */
export function keyTensors(layers: readonly KeyLayer[], sizes: KeySizes): WrittenTensor[] {
  return writtenLayers(layers, (layer) => tensorsOf(layer, sizes));
}
