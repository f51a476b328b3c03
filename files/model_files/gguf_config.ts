// GGUF metadata as a ModelConfig. Tensors are asked only for their names and shapes.

import type { ModelConfig } from "../families/config.ts";
import type { Family } from "../families/family.ts";
import { familyOfGguf } from "../families/registry.ts";
import { shown } from "../shown.ts";
import type { TensorSource } from "../weights/tensor.ts";
import { checkConfig, checkSizes, unsupportedArchitecture } from "./check_config.ts";
import { readGgufFacts } from "./gguf_facts.ts";
import { GgufFields, ggufNumber, type Metadata } from "./gguf_fields.ts";
import { ggufRope, type RopeFactors } from "./gguf_rope.ts";
import { refuseUnservedFamily, servedFacts } from "./served_facts.ts";

/**
 * Reads the keys llama.cpp reads for the file's architecture, with its defaults. The vocabulary's size is the
 * embedding's where the metadata do not give it; the head is tied where the file has no `output.weight`. `factors` are
 * RoPE's, which GGUF files keep as tensors.
 *
 * @throws MoloraError `unsupported_architecture` and `config_invalid`
 */
export function ggufConfig(metadata: Metadata, source: TensorSource, factors?: RopeFactors): ModelConfig {
  const file = source.name;
  const architecture = metadata.get("general.architecture");
  const family = typeof architecture === "string" ? familyOfGguf(architecture) : undefined;
  if (family === undefined)
    throw unsupportedArchitecture(file, `architecture ${shown(architecture ?? "(none named)")}`);
  refuseUnservedFamily(file, family.gguf.architecture, family);
  const fields = new GgufFields(file, metadata, family.gguf.architecture);
  refuseStrangers(family, source, factors);
  const hiddenSize = fields.number("embedding_length");
  const numHeads = fields.number("attention.head_count");
  const sizes = {
    hiddenSize,
    numLayers: fields.number("block_count"),
    numHeads,
    numKvHeads: fields.number("attention.head_count_kv", numHeads),
    headDim: fields.number("attention.key_length", hiddenSize / numHeads),
    intermediateSize: fields.number("feed_forward_length"),
    vocabSize: fields.number("vocab_size", source.tensors.get(family.tensors.embedding.hf)?.shape[0]),
    contextLength: fields.number("context_length"),
  };
  checkSizes(file, sizes);
  if (fields.number("attention.value_length", sizes.headDim) !== sizes.headDim) {
    throw unsupportedArchitecture(file, "a value size other than the key size");
  }
  return checkConfig(file, {
    architecture: family.architectures[0],
    ...sizes,
    normEps: fields.number("attention.layer_norm_rms_epsilon"),
    ropeTheta: fields.number("rope.freq_base", 10000),
    ropeScaling: ggufRope(fields, factors ?? new Map(), sizes.contextLength),
    tieEmbeddings: ![source.tensors, source.unsupported].some((named) => named?.has(family.tensors.head.hf)),
    ...servedFacts(file, family, sizes, readGgufFacts(family, fields, sizes, source)),
    bosId: tokenId(file, metadata, "tokenizer.ggml.bos_token_id"),
    eosIds: eosIds(file, metadata),
  });
}

function refuseStrangers(family: Family, { name, tensors, unsupported }: TensorSource, factors?: RopeFactors): void {
  const names = [...tensors.keys(), ...(unsupported?.keys() ?? [])];
  const bias = names.find((one) => one.endsWith(".bias") && !one.startsWith(family.tensors.layer.hf));
  if (bias !== undefined) throw unsupportedArchitecture(name, `bias ${bias}`);
  // Llama 3's RoPE scaling as a table of factors; where it cannot be read, its parameters are in config.json.
  if (names.includes("rope_freqs.weight") && !factors?.has("rope_freqs.weight")) {
    throw unsupportedArchitecture(name, "rope_freqs.weight without the model's config.json beside the file");
  }
}

/** End of sequence, and where the file names it, end of turn. */
function eosIds(file: string, metadata: Metadata): number[] {
  const ids = ["eos", "eot"].map((name) => tokenId(file, metadata, `tokenizer.ggml.${name}_token_id`));
  return [...new Set(ids.filter((id) => id !== undefined))];
}

function tokenId(file: string, metadata: Metadata, key: string): number | undefined {
  return metadata.has(key) ? ggufNumber(file, metadata, key) : undefined;
}
