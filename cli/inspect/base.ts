// Inspects a base model from its headers: as much as can be told, and what stands in the way of loading it.

import { thinks } from "../../engine/text/reasoning.ts";
import { loadTokenizer, type Tokenizer } from "../../engine/text/tokenizer.ts";
import { notationOf } from "../../engine/text/tool_calls.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import {
  openHeaders,
  openWeights,
  readTokenizerFiles,
  type TokenizerFiles,
  type Weights,
} from "../../files/model_files/model_files.ts";
import { type ByteSource, readText, type SourceFolder } from "../../files/source.ts";
import { readGguf } from "../../files/weights/gguf/gguf.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type BaseFacts, type BaseShape, type Problem, problem, type TokenizerFacts } from "./inspection.ts";

export interface InspectedBase {
  facts: BaseFacts | null;
  problems: Problem[];
  remarks: string[];
}

type From = ByteSource | SourceFolder;

export async function inspectBase(from: From): Promise<InspectedBase> {
  const problems: Problem[] = [];
  const remarks: string[] = [];
  const attempt = async <T>(part: string, work: () => Promise<T> | T): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      const found = problem(part, MoloraError.from(error));
      if (!problems.some(({ message }) => message === found.message)) problems.push(found);
      return undefined;
    }
  };
  const weights = await attempt("weights", () => weightsOf(from));
  const files = weights && (await attempt("model", () => openHeaders(from)));
  if (files?.partOf !== undefined) remarks.push(`only ${files.partOf} is used`);
  const tokenizerFiles =
    files?.tokenizerFiles ?? (weights && (await attempt("tokenizer", () => tokenizerOf(from, weights))));
  const tokenizer = tokenizerFiles && (await attempt("tokenizer", () => loadTokenizer(tokenizerFiles)));
  if (weights === undefined) return { facts: null, problems, remarks };
  const facts: BaseFacts = {
    format: weights.metadata === undefined ? "safetensors" : "GGUF",
    architecture: await architectureOf(from, weights),
    ...count(weights),
    shape: files === undefined ? null : shapeOf(files.config),
    tokenizer: tokenizer && tokenizerFiles ? tokenizerFacts(tokenizer, tokenizerFiles) : null,
    generation: { ...files?.generation },
  };
  return { facts, problems, remarks };
}

async function weightsOf(from: From): Promise<Weights> {
  return "read" in from ? readGguf(from) : openWeights(from);
}

async function tokenizerOf(from: From, weights: Weights): Promise<TokenizerFiles> {
  if ("list" in from) return readTokenizerFiles(from, weights);
  return { kind: "gguf", metadata: weights.metadata ?? new Map() };
}

async function architectureOf(from: From, { metadata }: Weights): Promise<string | null> {
  const stated = metadata?.get("general.architecture");
  if (typeof stated === "string") return stated;
  const config = "list" in from ? await from.open("config.json") : undefined;
  if (config === undefined) return null;
  const json: unknown = await readText(config)
    .then(JSON.parse)
    .catch(() => undefined);
  const classes = typeof json === "object" && json !== null && "architectures" in json ? json.architectures : undefined;
  return Array.isArray(classes) && typeof classes[0] === "string" ? classes[0] : null;
}

function count({ tensors: source }: Weights): Pick<BaseFacts, "parameters" | "tensors" | "types"> {
  const types = new Map<string, number>();
  for (const { type, shape } of source.tensors.values()) {
    types.set(type, (types.get(type) ?? 0) + shape.reduce((product, size) => product * size, 1));
  }
  const read = [...types].map(([type, elements]) => ({ type, elements, read: true }));
  const unread = [...new Set(source.unsupported?.values())].map((type) => ({ type, elements: 0, read: false }));
  return {
    parameters: read.reduce((sum, { elements }) => sum + elements, 0),
    tensors: source.tensors.size + (source.unsupported?.size ?? 0),
    types: [...read.sort((a, b) => b.elements - a.elements), ...unread],
  };
}

function shapeOf(config: ModelConfig): BaseShape {
  return {
    layers: config.numLayers,
    hiddenSize: config.hiddenSize,
    heads: config.numHeads,
    kvHeads: config.numKvHeads,
    headDim: config.headDim,
    vocabulary: config.vocabSize,
    context: config.contextLength,
    experts: config.experts?.count ?? null,
  };
}

function statedKind(files: TokenizerFiles): unknown {
  if (files.kind === "tekken") return "tekken";
  return files.kind === "hf" ? files.tokenizer.model : files.metadata.get("tokenizer.ggml.model");
}

function tokenizerFacts(tokenizer: Tokenizer, files: TokenizerFiles): TokenizerFacts {
  const stated = statedKind(files);
  const type = typeof stated === "object" && stated !== null && "type" in stated ? stated.type : stated;
  return {
    kind: String(type ?? "BPE"),
    tokens: tokenizer.vocabSize,
    chatTemplate: tokenizer.chatTemplate !== undefined,
    tools: notationOf(tokenizer.toolTemplate)?.family ?? null,
    thinks: thinks(tokenizer.chatTemplate),
  };
}
