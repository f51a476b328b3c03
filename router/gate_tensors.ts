// Converts the tensors of router.safetensors into the gates of an mlp router, one for each layer, and back.

import { readFloats } from "../files/weights/floats.ts";
import type { WrittenTensor } from "../files/weights/safetensors/safetensors_write.ts";
import type { TensorSource } from "../files/weights/tensor.ts";
import { MoloraError } from "../proto/errors.ts";
import type { MlpGate } from "./mixture.ts";

export interface GateSizes {
  layers: number;
  /** d, the base's hidden size. */
  inputs: number;
  /** h */
  hidden: number;
  /** E' = E, or E + 1 with belief. */
  outputs: number;
}

type Part = keyof MlpGate;

/** Name and shape of each tensor of layer i. */
function tensorsOf(layer: number, { inputs, hidden, outputs }: GateSizes): [Part, string, number[]][] {
  return [
    ["fc1Weight", `layers.${layer}.fc1.weight`, [hidden, inputs]],
    ["fc1Bias", `layers.${layer}.fc1.bias`, [hidden]],
    ["fc2Weight", `layers.${layer}.fc2.weight`, [outputs, hidden]],
    ["fc2Bias", `layers.${layer}.fc2.bias`, [outputs]],
  ];
}

/**
 * Reads every layer's gate.
 *
 * @throws MoloraError `tensor_missing`, `tensor_shape`, `tensor_not_finite`; `mixture_invalid` for a tensor of no gate.
 */
export async function readGates(source: TensorSource, sizes: GateSizes): Promise<MlpGate[]> {
  const layers = Array.from({ length: sizes.layers }, (_, layer) => tensorsOf(layer, sizes));
  const known = new Set(layers.flat().map(([, name]) => name));
  const unmatched = [...source.tensors.keys()].filter((name) => !known.has(name));
  if (unmatched.length > 0) {
    throw new MoloraError("mixture_invalid", `${source.name}: tensor ${unmatched[0]} belongs to no layer's gate`, {
      remedy: "The router was made for another base, or its file holds more than a router.",
      details: { unmatched },
    });
  }
  return Promise.all(layers.map((layer) => readGate(source, layer)));
}

async function readGate(source: TensorSource, layer: [Part, string, number[]][]): Promise<MlpGate> {
  const gate: Partial<MlpGate> = {};
  for (const [part, name, shape] of layer) gate[part] = await readPart(source, name, shape);
  return gate as MlpGate;
}

async function readPart(source: TensorSource, name: string, shape: number[]): Promise<Float32Array> {
  const tensor = source.tensors.get(name);
  if (tensor === undefined) throw new MoloraError("tensor_missing", `${source.name}: tensor ${name} is missing`);
  if (tensor.shape.join() !== shape.join()) {
    const shapes = `[${tensor.shape.join(", ")}], expected [${shape.join(", ")}]`;
    throw new MoloraError("tensor_shape", `${source.name}: tensor ${name} is ${shapes}`, {
      remedy: "hidden_size, belief and the number of experts in mixture.json must be those of the trained router.",
    });
  }
  return readFloats(tensor);
}

/** Every layer's gate as named tensors. */
export function gateTensors(gates: readonly MlpGate[], sizes: GateSizes): WrittenTensor[] {
  return gates.flatMap((gate, layer) =>
    tensorsOf(layer, sizes).map(([part, name, shape]) => ({ name, shape, data: gate[part] })),
  );
}
