// A base model's files, opened and checked: config, tensors, tokenizer files and a content hash.

import { type ErrorCode, MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "../families/config.ts";
import { type ByteSource, readText, type SourceFolder } from "../source.ts";
import { type GgufFile, type GgufValue, readGguf } from "../weights/gguf/gguf.ts";
import { partOf } from "../weights/gguf/split.ts";
import { readQuantization } from "../weights/packed/quantization.ts";
import { unpackTensors } from "../weights/packed/unpack.ts";
import { INDEX_FILE, readShardedSafetensors, SINGLE_FILE } from "../weights/safetensors/shards.ts";
import type { TensorSource } from "../weights/tensor.ts";
import { arrangeTensors } from "./arrange.ts";
import { unsupportedArchitecture } from "./check_config.ts";
import { checkTensors } from "./expected.ts";
import { ggufConfig } from "./gguf_config.ts";
import { readRopeFactors } from "./gguf_rope.ts";
import { parseHfConfig } from "./hf_config.ts";
import { modelHash } from "./model_hash.ts";
import { textConfig, textTensors } from "./wrapped.ts";

/** What a tokenizer is made from. JSON is parsed, not yet checked. */
export type TokenizerFiles =
  | {
      kind: "hf";
      /** tokenizer.json */
      tokenizer: Record<string, unknown>;
      /** tokenizer_config.json */
      tokenizerConfig: Record<string, unknown> | undefined;
      /** chat_template.jinja, else tokenizer_config.json's `chat_template` (its "default" where it lists several). */
      chatTemplate: string | undefined;
    }
  | { kind: "gguf"; metadata: ReadonlyMap<string, GgufValue> };

/** A base model ready to be loaded: every tensor the config asks for is there, in shape and readable. */
export interface ModelFiles {
  /** For messages only. */
  name: string;
  config: ModelConfig;
  tensors: TensorSource;
  /** What of a larger model this is: "the text part of a Gemma3ForConditionalGeneration". */
  partOf?: string;
  /** Identity of the base, see model_hash.ts. */
  hash: string;
  tokenizerFiles: TokenizerFiles;
}

/**
 * Opens a base model. A single source is a GGUF file with its tokenizer in its metadata. A folder holds Hugging Face's
 * safetensors or, in their place, exactly one .gguf, whole or in parts; what lies beside a .gguf goes before its
 * metadata: config.json (with generation_config.json) gives the config, tokenizer.json the tokenizer.
 *
 * @throws MoloraError `file_not_found`, `bad_arguments` (several .gguf), `config_invalid`, `unsupported_architecture`,
 * `tokenizer_invalid`, `tensor_missing`, `tensor_shape`, `unsupported_dtype` and what the readers raise.
 */
export async function openModelFiles(from: ByteSource | SourceFolder): Promise<ModelFiles> {
  if ("read" in from) {
    const gguf = await readGguf(from);
    const tokenizerFiles: TokenizerFiles = { kind: "gguf", metadata: gguf.metadata };
    return check(from.name, await configOf(gguf), gguf, tokenizerFiles);
  }
  const { weights, config, partOf } = await openWeightsAndConfig(from);
  const tokenizerFiles = await readTokenizerFiles(from, weights);
  return { ...(await check(from.name, config, weights, tokenizerFiles)), ...(partOf === undefined ? {} : { partOf }) };
}

/** Safetensors have tensors only; a GGUF has metadata too. */
type Weights = GgufFile | { tensors: TensorSource; metadata?: undefined };

async function check(
  name: string,
  config: ModelConfig,
  weights: Weights,
  tokenizerFiles: TokenizerFiles,
): Promise<ModelFiles> {
  const tensors = arrangeTensors(config, weights.tensors, weights.metadata ? "gguf" : "safetensors");
  checkTensors(config, tensors);
  return { name, config, tensors, hash: await modelHash(config, tensors), tokenizerFiles };
}

async function configOf({ metadata, tensors }: GgufFile): Promise<ModelConfig> {
  return ggufConfig(metadata, tensors, await readRopeFactors(tensors));
}

async function openWeights(folder: SourceFolder): Promise<Weights> {
  const names = await folder.list();
  if (names.includes(SINGLE_FILE) || names.includes(INDEX_FILE)) {
    return { tensors: await readShardedSafetensors(folder) };
  }
  // Of a GGUF in parts the first stands for all.
  const ggufs = names.filter((name) => name.endsWith(".gguf") && (partOf(name)?.number ?? 1) === 1).sort();
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
  const json = await readJson(folder, "config.json", "config_invalid");
  if (json === undefined) {
    if (weights.metadata === undefined) throw notThere(folder, "config.json");
    return { weights, config: await configOf(weights) };
  }
  const config = parseHfConfig(json, await readJson(folder, "generation_config.json", "config_invalid"));
  if (weights.metadata !== undefined) {
    if (json.quantization_config) throw unsupportedArchitecture("config.json", "quantization_config beside a .gguf");
    return { weights, config };
  }
  const text = textConfig(json);
  const stated = json.quantization_config ?? text?.config.quantization_config ?? undefined;
  const { tensors: stored } = weights;
  const tensors = stated === undefined ? stored : await unpackTensors(stored, readQuantization(stated));
  if (text === undefined) return { weights: { tensors }, config };
  return { weights: { tensors: textTensors(tensors) }, config, partOf: `the text part of a ${text.wrapper}` };
}

async function readTokenizerFiles(folder: SourceFolder, weights: Weights): Promise<TokenizerFiles> {
  const tokenizer = await readJson(folder, "tokenizer.json", "tokenizer_invalid");
  if (!tokenizer) {
    if (weights.metadata) return { kind: "gguf", metadata: weights.metadata };
    throw notThere(folder, "tokenizer.json");
  }
  const tokenizerConfig = await readJson(folder, "tokenizer_config.json", "tokenizer_invalid");
  const templateFile = await folder.open("chat_template.jinja");
  const chatTemplate = templateFile ? await readText(templateFile) : statedTemplate(tokenizerConfig);
  return { kind: "hf", tokenizer, tokenizerConfig, chatTemplate };
}

/** `chat_template` is a string, or a list of `{ name, template }`. */
function statedTemplate(tokenizerConfig: Record<string, unknown> | undefined): string | undefined {
  const stated = tokenizerConfig?.chat_template;
  const chosen = Array.isArray(stated) ? stated.find((entry) => entry?.name === "default")?.template : stated;
  return typeof chosen === "string" ? chosen : undefined;
}

/**
 * A file's JSON object, or undefined where there is no such file.
 *
 * @throws MoloraError `code` for anything else in it.
 */
async function readJson(folder: SourceFolder, path: string, code: ErrorCode) {
  const source = await folder.open(path);
  if (!source) return undefined;
  const remedy = "Fetch the file again; it must hold one JSON object.";
  let json: unknown;
  try {
    json = JSON.parse(await readText(source));
  } catch (cause) {
    if (MoloraError.is(cause)) throw cause;
    throw new MoloraError(code, `${source.name} is not JSON`, { remedy, cause });
  }
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw new MoloraError(code, `${source.name} is not a JSON object`, { remedy });
}

function notThere(folder: SourceFolder, path: string): MoloraError {
  return new MoloraError("file_not_found", `${folder.name} holds no ${path}`, {
    remedy: "Fetch it with the model, or give a .gguf file, which has everything in it.",
    details: { path },
  });
}
