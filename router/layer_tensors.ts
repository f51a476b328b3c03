// The tensors of router.safetensors, layer by layer: every kind of learned router names its own and reads them here.

import { readFloats } from "../files/weights/floats.ts";
import type { WrittenTensor } from "../files/weights/safetensors/safetensors_write.ts";
import type { TensorSource } from "../files/weights/tensor.ts";
import { MoloraError } from "../proto/errors.ts";

/** What of a layer a tensor is, its name, and its shape. */
export type LayerTensor<Part extends string> = [part: Part, name: string, shape: number[]];

/** `part`: what one layer has, for messages. `remedy`: what a wrong shape comes from. */
export interface LayerWords {
  part: string;
  remedy: string;
}

/**
 * Reads every layer's tensors, and no others.
 *
 * @throws MoloraError `tensor_missing`, `tensor_shape`, `tensor_not_finite`; `mixture_invalid` for a tensor of no layer.
 */
export async function readLayers<Part extends string>(
  source: TensorSource,
  layers: readonly LayerTensor<Part>[][],
  { part, remedy }: LayerWords,
): Promise<Record<Part, Float32Array>[]> {
  const known = new Set(layers.flat().map(([, name]) => name));
  const unmatched = [...source.tensors.keys()].filter((name) => !known.has(name));
  if (unmatched.length > 0) {
    throw new MoloraError("mixture_invalid", `${source.name}: tensor ${unmatched[0]} belongs to no layer's ${part}`, {
      remedy: "The router was made for another base, or its file holds more than a router.",
      details: { unmatched },
    });
  }
  const readOne = async ([key, name, shape]: LayerTensor<Part>) =>
    [key, await readTensor(source, name, shape, remedy)] as const;
  return Promise.all(
    layers.map(
      async (layer) => Object.fromEntries(await Promise.all(layer.map(readOne))) as Record<Part, Float32Array>,
    ),
  );
}

async function readTensor(source: TensorSource, name: string, shape: number[], remedy: string): Promise<Float32Array> {
  const tensor = source.tensors.get(name);
  if (tensor === undefined) throw new MoloraError("tensor_missing", `${source.name}: tensor ${name} is missing`);
  if (tensor.shape.join() !== shape.join()) {
    const shapes = `[${tensor.shape.join(", ")}], expected [${shape.join(", ")}]`;
    throw new MoloraError("tensor_shape", `${source.name}: tensor ${name} is ${shapes}`, { remedy });
  }
  return readFloats(tensor);
}

/** Every layer's values as named tensors. */
export function writtenLayers<Part extends string>(
  values: readonly Record<Part, Float32Array>[],
  tensorsOf: (layer: number) => LayerTensor<Part>[],
): WrittenTensor[] {
  return values.flatMap((own, layer) =>
    tensorsOf(layer).map(([part, name, shape]) => ({ name, shape, data: own[part] })),
  );
}
