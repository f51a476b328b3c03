// A base model's weights on the device, as the forward pass binds them.
// It knows nothing of file formats: tensors come from a TensorSource by their Hugging Face names.

import type { ModelConfig } from "../../files/families/config.ts";
import { dequantizeRows } from "../../files/weights/stored/dequantize.ts";
import type { StoredTensor, TensorSource } from "../../files/weights/tensor.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Buffers, View } from "../gpu/buffers.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { type LinearWeights, uploadLinear, type WeightDtype } from "./linear_weights.ts";

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
  gpu: Gpu,
  buffers: Buffers,
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
  const linear = (...names: string[]) => uploadLinear(gpu, buffers, names.map(tensor), dtype, onBytes);
  const vector = async (name: string) => {
    const stored = tensor(name);
    const values = new Float32Array(stored.shape[0]!);
    dequantizeRows(stored.type, await stored.readRows(0, 1), values);
    onBytes(stored.bytes);
    return buffers.from(name, values);
  };

  const embedding = await linear("model.embed_tokens.weight");
  const layers: LayerWeights[] = [];
  for (let i = 0; i < config.numLayers; i++) {
    const at = `model.layers.${i}`;
    layers.push({
      attentionNorm: await vector(`${at}.input_layernorm.weight`),
      qkv: await linear(...["q", "k", "v"].map((m) => `${at}.self_attn.${m}_proj.weight`)),
      o: await linear(`${at}.self_attn.o_proj.weight`),
      mlpNorm: await vector(`${at}.post_attention_layernorm.weight`),
      gateUp: await linear(`${at}.mlp.gate_proj.weight`, `${at}.mlp.up_proj.weight`),
      down: await linear(`${at}.mlp.down_proj.weight`),
    });
  }
  const finalNorm = await vector("model.norm.weight");
  const head = config.tieEmbeddings ? embedding : await linear("lm_head.weight");
  return { embedding, layers, finalNorm, head };
}
