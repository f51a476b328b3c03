// The tensors a model of the Llama family consists of, and the check that a file has them all.
// It knows nothing of formats; it reads no weight.

import { MoloraError } from "../../proto/errors.ts";
import { LORA_MODULES, type LoraModuleName, type ModelConfig, moduleShape } from "../families/config.ts";
import { unsupportedType } from "../weights/safetensors/safetensors.ts";
import type { StoredTensor, TensorSource } from "../weights/tensor.ts";

export interface ExpectedTensor {
  name: string;
  shape: readonly number[];
}

/** Hugging Face name of a layer's linear weight. */
export function moduleTensor(layer: number, module: LoraModuleName): string {
  const block = /^[qkvo]_/.test(module) ? "self_attn" : "mlp";
  return `model.layers.${layer}.${block}.${module}.weight`;
}

/** Every tensor the engine reads, embedding first, layers in order, output head last (absent where it is tied). */
export function expectedTensors(config: ModelConfig): ExpectedTensor[] {
  const vector = [config.hiddenSize];
  const table = [config.vocabSize, config.hiddenSize];
  const layers = Array.from({ length: config.numLayers }, (_, layer) => [
    { name: `model.layers.${layer}.input_layernorm.weight`, shape: vector },
    { name: `model.layers.${layer}.post_attention_layernorm.weight`, shape: vector },
    ...LORA_MODULES.map((module) => ({ name: moduleTensor(layer, module), shape: moduleShape(config, module) })),
  ]);
  return [
    { name: "model.embed_tokens.weight", shape: table },
    ...layers.flat(),
    { name: "model.norm.weight", shape: vector },
    ...(config.tieEmbeddings ? [] : [{ name: "lm_head.weight", shape: table }]),
  ];
}

/** The tensor `name`. Raises `tensor_missing`, or `unsupported_dtype` where the file has it in a type not read. */
export function wantTensor(source: TensorSource, name: string): StoredTensor {
  const tensor = source.tensors.get(name);
  if (tensor) return tensor;
  const dtype = source.unsupported?.get(name);
  if (dtype) throw unsupportedType(source.name, name, dtype);
  throw new MoloraError("tensor_missing", `${source.name} has no tensor ${name}`, {
    remedy: "Fetch the model again, or use one whose config fits its weights.",
    details: { tensor: name },
  });
}

/** Checks up front that every expected tensor can be read and has its shape; raises `tensor_shape` and `wantTensor`'s. */
export function checkTensors(config: ModelConfig, source: TensorSource): void {
  for (const { name, shape } of expectedTensors(config)) {
    const found = wantTensor(source, name).shape;
    if (found.length === shape.length && found.every((size, i) => size === shape[i])) continue;
    throw new MoloraError(
      "tensor_shape",
      `${source.name}: tensor ${name} is [${found.join(", ")}], the config asks for [${shape.join(", ")}]`,
      { remedy: "Config and weights belong to different models: fetch both again.", details: { tensor: name } },
    );
  }
}
