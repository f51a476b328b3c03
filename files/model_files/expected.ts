// The tensors a model consists of, and the check that a file has them all. No weight is read.

import { MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "../families/config.ts";
import { LORA_MODULES, moduleShape } from "../families/modules.ts";
import { familyOf } from "../families/registry.ts";
import { moduleTensor, normTensor } from "../families/tensor_names.ts";
import { unsupportedType } from "../weights/safetensors/safetensors.ts";
import type { StoredTensor, TensorSource } from "../weights/tensor.ts";

export interface ExpectedTensor {
  name: string;
  shape: readonly number[];
}

/** Every tensor the engine reads, embedding first, layers in order, output head last (absent where it is tied). */
export function expectedTensors(config: ModelConfig): ExpectedTensor[] {
  const vector = [config.hiddenSize];
  const table = [config.vocabSize, config.hiddenSize];
  const family = familyOf(config);
  const { embedding, finalNorm, head } = family.tensors;
  const layers = Array.from({ length: config.numLayers }, (_, layer) => [
    { name: normTensor(family, layer, "attention"), shape: vector },
    { name: normTensor(family, layer, "mlp"), shape: vector },
    ...LORA_MODULES.map((module) => ({
      name: moduleTensor(family, layer, module),
      shape: moduleShape(config, module),
    })),
  ]);
  return [
    { name: embedding.hf, shape: table },
    ...layers.flat(),
    { name: finalNorm.hf, shape: vector },
    ...(config.tieEmbeddings ? [] : [{ name: head.hf, shape: table }]),
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
