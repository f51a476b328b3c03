// The tensors a model consists of, and the check that a file has them all. No weight is read.

import { MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "../families/config.ts";
import { expertsOf } from "../families/facts.ts";
import type { Family, NormName } from "../families/family.ts";
import { LORA_MODULES, moduleShape } from "../families/modules.ts";
import { familyOf } from "../families/registry.ts";
import {
  biasTensor,
  EXPERT_MODULES,
  expertRouterTensor,
  expertTensor,
  moduleTensor,
  normTensor,
} from "../families/tensor_names.ts";
import { unsupportedType } from "../weights/safetensors/safetensors.ts";
import type { StoredTensor, TensorSource } from "../weights/tensor.ts";
import { unsupportedArchitecture } from "./check_config.ts";

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
  const norms = Object.keys(family.tensors.norms) as NormName[];
  const layers = Array.from({ length: config.numLayers }, (_, layer) => [
    ...norms.map((norm) => ({ name: normTensor(family, layer, norm), shape: normShape(config, norm) })),
    ...LORA_MODULES.filter((module) => !(isExpertModule(module) && expertsOf(config, layer))).map((module) => ({
      name: moduleTensor(family, layer, module),
      shape: moduleShape(config, module),
    })),
    ...expertTensors(config, family, layer),
    ...(config.biases ?? []).map((module) => ({
      name: biasTensor(family, layer, module),
      shape: [moduleShape(config, module)[0]],
    })),
  ]);
  return [
    { name: embedding.hf, shape: table },
    ...layers.flat(),
    { name: finalNorm.hf, shape: vector },
    ...(config.tieEmbeddings ? [] : [{ name: head.hf, shape: table }]),
  ];
}

function expertTensors(config: ModelConfig, family: Family, layer: number): ExpectedTensor[] {
  const experts = expertsOf(config, layer);
  if (experts === undefined) return [];
  const wide = [experts.intermediateSize, config.hiddenSize];
  const of = (expert: number) =>
    EXPERT_MODULES.map((module) => ({
      name: expertTensor(family, layer, expert, module),
      shape: module === "down_proj" ? [wide[1], wide[0]] : wide,
    }));
  return [
    { name: expertRouterTensor(family, layer), shape: [experts.count, config.hiddenSize] },
    ...Array.from({ length: experts.count }, (_, expert) => of(expert)).flat(),
  ];
}

function isExpertModule(module: string): boolean {
  return (EXPERT_MODULES as readonly string[]).includes(module);
}

function normShape({ hiddenSize, headDim, numHeads, numKvHeads, qkNorm }: ModelConfig, norm: NormName): number[] {
  if (norm !== "query" && norm !== "key") return [hiddenSize];
  return [qkNorm === "projection" ? headDim * (norm === "query" ? numHeads : numKvHeads) : headDim];
}

/**
 * The tensor `name`.
 *
 * @throws MoloraError `tensor_missing`, or `unsupported_dtype` where the file has it in a type not read.
 */
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

/**
 * Checks up front that every expected tensor can be read and has its shape, and that the layers have no others.
 *
 * @throws MoloraError `tensor_shape`, `unsupported_architecture` and what `wantTensor` throws
 */
export function checkTensors(config: ModelConfig, source: TensorSource): void {
  const expected = expectedTensors(config);
  refuseStrangers(config, source, new Set(expected.map(({ name }) => name)));
  for (const { name, shape } of expected) {
    const found = wantTensor(source, name).shape;
    if (found.length === shape.length && found.every((size, i) => size === shape[i])) continue;
    throw new MoloraError(
      "tensor_shape",
      `${source.name}: tensor ${name} is [${found.join(", ")}], the config asks for [${shape.join(", ")}]`,
      { remedy: "Config and weights belong to different models: fetch both again.", details: { tensor: name } },
    );
  }
}

/** Tables that older exporters wrote into each layer, made again from the config. */
const DERIVED = /\.(rotary_emb\.inv_freq|attn_rot_embd\.weight|attn\.bias|attn\.masked_bias)$/;

/** A tensor in a layer that nothing reads would change what the layer computes. Layers beyond the last are not used. */
function refuseStrangers(config: ModelConfig, source: TensorSource, expected: ReadonlySet<string>): void {
  const { hf, gguf } = familyOf(config).tensors.layer;
  for (const name of [...source.tensors.keys(), ...(source.unsupported?.keys() ?? [])]) {
    const prefix = [hf, gguf].find((one) => name.startsWith(one));
    if (prefix === undefined || expected.has(name) || DERIVED.test(name)) continue;
    if (Number.parseInt(name.slice(prefix.length), 10) >= config.numLayers) continue;
    throw unsupportedArchitecture(source.name, `the tensor ${name}`);
  }
}
