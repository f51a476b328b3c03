// A base model's files, opened and checked: config, tensors, tokenizer files and a content hash.

import { type ErrorCode, MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "../families/config.ts";
import { type ByteSource, readSmall, type SourceFolder } from "../source.ts";
import { ggufBases } from "../weights/gguf/base_files.ts";
import { type GgufFile, type GgufValue, readGguf } from "../weights/gguf/gguf.ts";
import { readQuantization } from "../weights/packed/quantization.ts";
import { unpackTensors } from "../weights/packed/unpack.ts";
import { INDEX_FILE, readShardedSafetensors, SINGLE_FILE } from "../weights/safetensors/shards.ts";
import type { TensorSource } from "../weights/tensor.ts";
import { arrangeTensors } from "./arrange.ts";
import { type ChatTemplates, readTemplates } from "./chat_templates.ts";
import { unsupportedArchitecture } from "./check_config.ts";
import { checkTensors } from "./expected.ts";
import { type GenerationDefaults, ggufGenerationDefaults, hfGenerationDefaults } from "./generation.ts";
import { ggufConfig } from "./gguf_config.ts";
import { readRopeFactors } from "./gguf_rope.ts";
import { parseHfConfig } from "./hf_config.ts";
import { modelHash } from "./model_hash.ts";
import { parseTokenizerJson } from "./tokenizer_json.ts";
import { textConfig, textTensors } from "./wrapped.ts";

/** What a tokenizer is made from. JSON is parsed, not yet checked. */
export type TokenizerFiles =
  | ({
      kind: "hf";
      /** tokenizer.json, see tokenizer_json.ts */
      tokenizer: Record<string, unknown>;
      /** tokenizer_config.json */
      tokenizerConfig: Record<string, unknown> | undefined;
    } & ChatTemplates)
  | ({ kind: "tekken" /** Mistral's tekken.json */; tekken: Record<string, unknown> } & ChatTemplates)
  | ({ kind: "gguf"; metadata: ReadonlyMap<string, GgufValue> } & Partial<ChatTemplates>);

/** A base model ready to be loaded: every tensor the config asks for is there, in shape and readable. */
export interface ModelFiles {
  /** For messages only. */
  name: string;
  config: ModelConfig;
  tensors: TensorSource;
  /** What of a larger model this is: "the text part of a Gemma3ForConditionalGeneration", or of a folder. */
  partOf?: string;
  /** Identity of the base, see model_hash.ts. */
  hash: string;
  tokenizerFiles: TokenizerFiles;
  generation: GenerationDefaults;
}

/**
 * Opens a base model. A single source is a GGUF file with its tokenizer in its metadata. A folder holds Hugging Face's
 * safetensors or, in their place, exactly one .gguf, whole or in parts, a projector not counted; what lies beside a .gguf goes before its
 * metadata: config.json (with generation_config.json) gives the config, tokenizer.json, or else tekken.json, the tokenizer,
 * chat_template.jinja the template.
 *
 * @throws MoloraError `file_not_found`, `bad_arguments` (several .gguf), `config_invalid`, `unsupported_architecture`,
 * `tokenizer_invalid`, `tensor_missing`, `tensor_shape`, `unsupported_dtype` and what the readers raise.
 */
export async function openModelFiles(from: ByteSource | SourceFolder): Promise<ModelFiles> {
  const files = await openHeaders(from);
  return { ...files, hash: await modelHash(files.config, files.tensors) };
}

/** The same from headers alone: no tensor is read for its identity. */
export async function openHeaders(from: ByteSource | SourceFolder): Promise<Omit<ModelFiles, "hash">> {
  if ("read" in from) {
    const gguf = await readGguf(from);
    const tokenizerFiles: TokenizerFiles = { kind: "gguf", metadata: gguf.metadata };
    const generation = ggufGenerationDefaults(from.name, gguf.metadata);
    const config = await configOf(gguf);
    return { name: from.name, config, tensors: checked(config, gguf), tokenizerFiles, generation };
  }
  const { weights, config, partOf, generation } = await openWeightsAndConfig(from);
  const tokenizerFiles = await readTokenizerFiles(from, weights);
  const tensors = checked(config, weights);
  return { name: from.name, config, tensors, tokenizerFiles, generation, ...(partOf === undefined ? {} : { partOf }) };
}

/** Safetensors have tensors only; a GGUF has metadata too. */
export type Weights = GgufFile | { tensors: TensorSource; metadata?: undefined };

function checked(config: ModelConfig, weights: Weights): TensorSource {
  const tensors = arrangeTensors(config, weights.tensors, weights.metadata ? "gguf" : "safetensors");
  checkTensors(config, tensors);
  return tensors;
}

async function configOf({ metadata, tensors }: GgufFile): Promise<ModelConfig> {
  return ggufConfig(metadata, tensors, await readRopeFactors(tensors));
}

/** The weights of a folder, whatever they are of. @throws MoloraError as `openModelFiles` */
export async function openWeights(folder: SourceFolder): Promise<Weights> {
  const names = await folder.list();
  if (names.includes(SINGLE_FILE) || names.includes(INDEX_FILE)) {
    return { tensors: await readShardedSafetensors(folder) };
  }
  const { bases: ggufs } = ggufBases(names);
  if (ggufs.length > 1) {
    throw new MoloraError("bad_arguments", `${folder.name} holds ${ggufs.length} GGUF files: ${ggufs.join(", ")}`, {
      remedy: "Name one of them.",
    });
  }
  const file = ggufs[0] === undefined ? undefined : await folder.open(ggufs[0]);
  if (!file) {
    throw new MoloraError("file_not_found", `${folder.name} holds no ${SINGLE_FILE}, no ${INDEX_FILE} and no .gguf`, {
      remedy: "Give a folder as Hugging Face's save_pretrained writes it, or a .gguf file.",
    });
  }
  return readGguf(file, (name) => folder.open(name));
}

async function openWeightsAndConfig(folder: SourceFolder) {
  const weights = await openWeights(folder);
  const partOf = weights.metadata && languageModel(await folder.list());
  const json = await readJson(folder, "config.json", "config_invalid");
  if (json === undefined) {
    if (weights.metadata === undefined) throw notThere(folder, "config.json");
    const generation = ggufGenerationDefaults(folder.name, weights.metadata);
    return { weights, config: await configOf(weights), generation, partOf };
  }
  const stated = await readJson(folder, "generation_config.json", "config_invalid");
  const config = parseHfConfig(json, stated);
  const generation = hfGenerationDefaults(stated);
  if (weights.metadata !== undefined) {
    if (json.quantization_config) throw unsupportedArchitecture("config.json", "quantization_config beside a .gguf");
    return { weights, config, generation, partOf };
  }
  const text = textConfig(json);
  const stored = await unpacked(weights.tensors, json.quantization_config ?? text?.config.quantization_config);
  if (text === undefined) return { weights: { tensors: stored }, config, generation };
  const tensors = textTensors(stored);
  return { weights: { tensors }, config, generation, partOf: `the text part of a ${text.wrapper}` };
}

/** What is taken of a folder whose other GGUF is a projector's. */
function languageModel(names: readonly string[]): string | undefined {
  const { bases, projectors } = ggufBases(names);
  return projectors.length === 0 ? undefined : `the language model ${bases[0]}`;
}

/** Tensors as they are, or as `quantization_config` packs them. */
async function unpacked(tensors: TensorSource, quantization: unknown): Promise<TensorSource> {
  return quantization === undefined || quantization === null
    ? tensors
    : unpackTensors(tensors, readQuantization(quantization));
}

/** @throws MoloraError `file_not_found`, `tokenizer_invalid` */
export async function readTokenizerFiles(folder: SourceFolder, weights: Weights): Promise<TokenizerFiles> {
  const config = await readJson(folder, "tokenizer_config.json", "tokenizer_invalid");
  const tokenizer = await readJson(folder, "tokenizer.json", "tokenizer_invalid", parseTokenizerJson);
  if (!tokenizer) {
    const tekken = await readJson(folder, "tekken.json", "tokenizer_invalid");
    if (tekken) return { kind: "tekken", tekken, ...(await readTemplates(folder, config)) };
    if (weights.metadata) return { kind: "gguf", metadata: weights.metadata, ...(await readTemplates(folder, config)) };
    throw noTokenizer(folder, await folder.list());
  }
  return { kind: "hf", tokenizer, tokenizerConfig: config, ...(await readTemplates(folder, config)) };
}

/**
 * A file's JSON object, or undefined where there is no such file.
 *
 * @throws MoloraError `code` for anything else in it.
 */
async function readJson(folder: SourceFolder, path: string, code: ErrorCode, parse = parseJson) {
  const source = await folder.open(path);
  if (!source) return undefined;
  const remedy = "Fetch the file again; it must hold one JSON object.";
  let json: unknown;
  try {
    json = await parse(await readSmall(source));
  } catch (cause) {
    if (MoloraError.is(cause)) throw cause;
    throw new MoloraError(code, `${source.name} is not JSON`, { remedy, cause });
  }
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw new MoloraError(code, `${source.name} is not a JSON object`, { remedy });
}

/** Of older models, which only the library that made them can turn into a tokenizer.json. */
const OLDER = ["tokenizer.model", "vocab.json"];

function noTokenizer(folder: SourceFolder, names: readonly string[]): MoloraError {
  const older = OLDER.find((name) => names.includes(name));
  if (older === undefined) return notThere(folder, "tokenizer.json");
  return new MoloraError("file_not_found", `${folder.name} holds no tokenizer.json, only ${older}`, {
    remedy: "Write one with transformers: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR).",
    details: { path: "tokenizer.json" },
  });
}

async function parseJson(bytes: Uint8Array): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode(bytes));
}

function notThere(folder: SourceFolder, path: string): MoloraError {
  return new MoloraError("file_not_found", `${folder.name} holds no ${path}`, {
    remedy: "Fetch it with the model, or give a .gguf file, which has everything in it.",
    details: { path },
  });
}
