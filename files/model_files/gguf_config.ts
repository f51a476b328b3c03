// GGUF metadata of the Llama family as a ModelConfig.
// It knows nothing of the file's bytes; tensors are asked only for their names and shapes.

import type { ModelConfig, RopeScaling } from "../families/config.ts";
import { familyOfGguf } from "../families/registry.ts";
import { shown } from "../shown.ts";
import type { GgufValue } from "../weights/gguf/gguf.ts";
import type { TensorSource } from "../weights/tensor.ts";
import { checkConfig, configInvalid, unsupportedArchitecture } from "./check_config.ts";

type Metadata = ReadonlyMap<string, GgufValue>;

/**
 * Reads the keys llama.cpp reads for "llama", with its defaults. The vocabulary's size is the embedding's where the
 * metadata do not give it; the head is tied where the file has no `output.weight`. Raises `unsupported_architecture`
 * and `config_invalid`.
 */
export function ggufConfig(metadata: Metadata, tensors: TensorSource): ModelConfig {
  const file = tensors.name;
  const architecture = metadata.get("general.architecture");
  const family = typeof architecture === "string" ? familyOfGguf(architecture) : undefined;
  if (family === undefined)
    throw unsupportedArchitecture(file, `architecture ${shown(architecture ?? "(none named)")}`);
  refuseVariants(file, metadata, tensors);
  const read = (key: string, fallback?: number) => number(file, metadata, key, fallback);
  const hiddenSize = read("llama.embedding_length");
  const numHeads = read("llama.attention.head_count");
  const headDim = read("llama.attention.key_length", hiddenSize / numHeads);
  const rotated = read("llama.rope.dimension_count", headDim);
  if (rotated !== headDim) throw unsupportedArchitecture(file, `RoPE on ${rotated} of ${headDim} elements of a head`);
  if (read("llama.attention.value_length", headDim) !== headDim) {
    throw unsupportedArchitecture(file, "a value size other than the key size");
  }
  return checkConfig(file, {
    architecture: family.architectures[0],
    hiddenSize,
    numLayers: read("llama.block_count"),
    numHeads,
    numKvHeads: read("llama.attention.head_count_kv", numHeads),
    headDim,
    intermediateSize: read("llama.feed_forward_length"),
    vocabSize: read("llama.vocab_size", tensors.tensors.get(family.tensors.embedding.hf)?.shape[0]),
    contextLength: read("llama.context_length"),
    normEps: read("llama.attention.layer_norm_rms_epsilon"),
    ropeTheta: read("llama.rope.freq_base", 10000),
    ropeScaling: ropeScaling(file, metadata),
    tieEmbeddings: ![tensors.tensors, tensors.unsupported].some((named) => named?.has(family.tensors.head.hf)),
    bosId: tokenId(file, metadata, "tokenizer.ggml.bos_token_id"),
    eosIds: eosIds(file, metadata),
  });
}

function refuseVariants(file: string, metadata: Metadata, { tensors, unsupported }: TensorSource): void {
  const experts = number(file, metadata, "llama.expert_count", 0);
  if (experts > 0) throw unsupportedArchitecture(file, `a mixture of ${experts} feed-forward experts`);
  const window = number(file, metadata, "llama.attention.sliding_window", 0);
  if (window > 0) throw unsupportedArchitecture(file, `a sliding window of ${window}`);
  const names = [...tensors.keys(), ...(unsupported?.keys() ?? [])];
  const bias = names.find((name) => name.endsWith(".bias"));
  if (bias) throw unsupportedArchitecture(file, `bias ${bias}`);
  // llama.cpp keeps Llama 3's RoPE scaling as a table of factors; its parameters are only in config.json.
  if (names.includes("rope_freqs.weight")) {
    throw unsupportedArchitecture(file, "rope_freqs.weight without the model's config.json beside the file");
  }
}

function ropeScaling(file: string, metadata: Metadata): RopeScaling {
  const type = metadata.get("llama.rope.scaling.type") ?? "none";
  if (type === "none") return { type: "none" };
  if (type !== "linear") throw unsupportedArchitecture(file, `RoPE scaling ${shown(type)}`);
  const factor = number(file, metadata, "llama.rope.scaling.factor");
  if (!(factor > 0)) throw configInvalid(file, `llama.rope.scaling.factor is ${factor}`);
  return { type: "linear", factor };
}

/** End of sequence, and where the file names it, end of turn. */
function eosIds(file: string, metadata: Metadata): number[] {
  const ids = ["eos", "eot"].map((name) => tokenId(file, metadata, `tokenizer.ggml.${name}_token_id`));
  return [...new Set(ids.filter((id) => id !== undefined))];
}

function tokenId(file: string, metadata: Metadata, key: string): number | undefined {
  return metadata.has(key) ? number(file, metadata, key) : undefined;
}

function number(file: string, metadata: Metadata, key: string, fallback?: number): number {
  const value = metadata.get(key) ?? fallback;
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "number") throw configInvalid(file, `${key} is ${shown(value ?? "missing")}, not a number`);
  return value;
}
