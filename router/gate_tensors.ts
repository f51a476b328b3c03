// Converts the tensors of router.safetensors into the gates of an mlp router, one for each layer, and back.

import type { WrittenTensor } from "../files/weights/safetensors/safetensors_write.ts";
import type { TensorSource } from "../files/weights/tensor.ts";
import { type LayerTensor, readLayers, writtenLayers } from "./layer_tensors.ts";
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

/** Name and shape of each tensor of layer i. */
function tensorsOf(layer: number, { inputs, hidden, outputs }: GateSizes): LayerTensor<keyof MlpGate>[] {
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
  return readLayers(source, layers, {
    part: "gate",
    remedy: "hidden_size, belief and the number of experts in mixture.json must be those of the trained router.",
  });
}

/** Every layer's gate as named tensors. */
export function gateTensors(gates: readonly MlpGate[], sizes: GateSizes): WrittenTensor[] {
  return writtenLayers(gates, (layer) => tensorsOf(layer, sizes));
}
