// Converts the tensors of router.safetensors into the keys of every layer, for a router of type "keys", and back.

import { readFloats } from "../files/weights/floats.ts";
import type { WrittenTensor } from "../files/weights/safetensors/safetensors_write.ts";
import type { TensorSource } from "../files/weights/tensor.ts";
import { MoloraError } from "../proto/errors.ts";
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
function tensorsOf(layer: number, { inputs, experts }: KeySizes): [keyof KeyLayer, string, number[]][] {
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
  const known = new Set(layers.flat().map(([, name]) => name));
  const unmatched = [...source.tensors.keys()].filter((name) => !known.has(name));
  if (unmatched.length > 0) {
    throw new MoloraError("mixture_invalid", `${source.name}: tensor ${unmatched[0]} belongs to no layer's keys`, {
      remedy: "The router was made for another base, or its file holds more than a router.",
      details: { unmatched },
    });
  }
  return Promise.all(layers.map((layer) => readLayer(source, layer, sizes.inputs)));
}

async function readLayer(
  source: TensorSource,
  layer: [keyof KeyLayer, string, number[]][],
  inputs: number,
): Promise<KeyLayer> {
  const read: Partial<KeyLayer> = {};
  for (const [part, name, shape] of layer) read[part] = await readPart(source, name, shape);
  const { keys, center, thresholds } = read as KeyLayer;
  for (let e = 0; e < thresholds.length; e++) {
    const norm = Math.hypot(...keys.subarray(e * inputs, (e + 1) * inputs));
    if (norm === 0 || Math.abs(norm - 1) <= UNIT) continue;
    throw new MoloraError("mixture_invalid", `${source.name}: ${layer[0][1]}: key ${e} has the norm ${norm}`, {
      remedy: "Keys are unit vectors; zeros stand for an expert without one.",
    });
  }
  return { keys, center, thresholds };
}

async function readPart(source: TensorSource, name: string, shape: number[]): Promise<Float32Array> {
  const tensor = source.tensors.get(name);
  if (tensor === undefined) throw new MoloraError("tensor_missing", `${source.name}: tensor ${name} is missing`);
  if (tensor.shape.join() !== shape.join()) {
    const shapes = `[${tensor.shape.join(", ")}], expected [${shape.join(", ")}]`;
    throw new MoloraError("tensor_shape", `${source.name}: tensor ${name} is ${shapes}`, {
      remedy: "mixture.json must list the experts that the keys were made for, in their order.",
    });
  }
  return readFloats(tensor);
}

/** Every layer's keys as named tensors. */
export function keyTensors(layers: readonly KeyLayer[], sizes: KeySizes): WrittenTensor[] {
  return layers.flatMap((keys, layer) =>
    tensorsOf(layer, sizes).map(([part, name, shape]) => ({ name, shape, data: keys[part] })),
  );
}
