// A base model's weights on the device, as the forward pass binds them.
// Tensors come from a TensorSource by the Hugging Face names of the family.

import type { ModelConfig } from "../../files/families/config.ts";
import { LORA_GROUPS, type LoraGroup } from "../../files/families/modules.ts";
import { familyOf } from "../../files/families/registry.ts";
import { moduleTensor, normTensor } from "../../files/families/tensor_names.ts";
import { dequantizeRows } from "../../files/weights/stored/dequantize.ts";
import type { WeightDtype } from "../../files/weights/stored/device_format.ts";
import type { StoredTensor, TensorSource } from "../../files/weights/tensor.ts";
import { MoloraError } from "../../proto/errors.ts";
import { allocateFrom, type Device } from "../device/device.ts";
import type { View } from "../device/memory.ts";
import { type LinearWeights, uploadLinear } from "./linear_weights.ts";

export interface LayerWeights {
  attentionNorm: View;
  /** Rows of q, then k, then v. */
  qkv: LinearWeights;
  o: LinearWeights;
  mlpNorm: View;
  /** Rows of gate, then up. */
  gateUp: LinearWeights;
  down: LinearWeights;
}

export interface ModelWeights {
  embedding: LinearWeights;
  layers: LayerWeights[];
  finalNorm: View;
  /** The output head; the embedding itself where they are tied. */
  head: LinearWeights;
}

export interface UploadOptions {
  dtype: WeightDtype;
  /** Called with bytes read so far and in all. */
  onProgress?: (done: number, total: number) => void;
}

/** Reads every tensor once, in positioned chunks, straight into device buffers. */
export async function uploadWeights(
  device: Device,
  config: ModelConfig,
  source: TensorSource,
  { dtype, onProgress }: UploadOptions,
): Promise<ModelWeights> {
  const total = [...source.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const onBytes = (bytes: number) => {
    done += bytes;
    onProgress?.(done, total);
  };
  const tensor = (name: string): StoredTensor => {
    const found = source.tensors.get(name);
    if (found === undefined) throw new MoloraError("tensor_missing", `${source.name} has no tensor ${name}`);
    return found;
  };
  const linear = (...names: string[]) => uploadLinear(device, names.map(tensor), dtype, onBytes);
  const vector = async (name: string) => {
    const stored = tensor(name);
    const values = new Float32Array(stored.shape[0]!);
    dequantizeRows(stored.type, await stored.readRows(0, 1), values);
    onBytes(stored.bytes);
    return allocateFrom(device, name, values);
  };

  const family = familyOf(config);
  const norm = (layer: number, which: "attention" | "mlp") => vector(normTensor(family, layer, which));
  const group = (layer: number, name: LoraGroup) =>
    linear(...LORA_GROUPS[name].map((module) => moduleTensor(family, layer, module)));
  const embedding = await linear(family.tensors.embedding.hf);
  const layers: LayerWeights[] = [];
  for (let i = 0; i < config.numLayers; i++) {
    layers.push({
      attentionNorm: await norm(i, "attention"),
      qkv: await group(i, "qkv"),
      o: await group(i, "o"),
      mlpNorm: await norm(i, "mlp"),
      gateUp: await group(i, "gateUp"),
      down: await group(i, "down"),
    });
  }
  const finalNorm = await vector(family.tensors.finalNorm.hf);
  const head = config.tieEmbeddings ? embedding : await linear(family.tensors.head.hf);
  return { embedding, layers, finalNorm, head };
}
