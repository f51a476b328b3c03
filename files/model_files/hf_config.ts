// Hugging Face's config.json and generation_config.json as a ModelConfig.
// It knows nothing of files; it is given parsed JSON and trusts no field of it.

import type { ModelConfig, RopeScaling } from "../families/config.ts";
import type { Family } from "../families/family.ts";
import { familyOfClass } from "../families/registry.ts";
import { shown } from "../shown.ts";
import { checkConfig, configInvalid, unsupportedArchitecture } from "./check_config.ts";

const FILE = "config.json";
type Json = Record<string, unknown>;

/**
 * Reads what transformers' LlamaConfig reads, with its defaults for all but token ids. The ids of both files end a
 * generation. "MistralForCausalLM" without a sliding window is the same model. Raises `unsupported_architecture` for
 * whatever would compute something else, `config_invalid` for a field that is missing or makes no sense.
 */
export function parseHfConfig(json: unknown, generationConfig?: unknown): ModelConfig {
  if (!isObject(json)) throw configInvalid(FILE, "it is not a JSON object");
  const generation = generationConfig ?? {};
  if (!isObject(generation)) throw configInvalid("generation_config.json", "it is not a JSON object");
  const family = readFamily(json);
  refuseVariants(json);
  const hiddenSize = number(json, "hidden_size");
  const numHeads = number(json, "num_attention_heads");
  const rope = isObject(json.rope_parameters) ? json.rope_parameters : json;
  return checkConfig(FILE, {
    architecture: family.architectures[0],
    hiddenSize,
    numLayers: number(json, "num_hidden_layers"),
    numHeads,
    numKvHeads: number(json, "num_key_value_heads", numHeads),
    headDim: number(json, "head_dim", hiddenSize / numHeads),
    intermediateSize: number(json, "intermediate_size"),
    vocabSize: number(json, "vocab_size"),
    contextLength: number(json, "max_position_embeddings", 2048),
    normEps: number(json, "rms_norm_eps", 1e-6),
    ropeTheta: number(rope, "rope_theta", number(json, "rope_theta", 10000)),
    ropeScaling: ropeScaling(rope === json ? json.rope_scaling : rope),
    tieEmbeddings: flag(json, "tie_word_embeddings"),
    bosId: tokenIds(json, "bos_token_id")[0],
    eosIds: [...new Set([...tokenIds(generation, "eos_token_id"), ...tokenIds(json, "eos_token_id")])],
  });
}

function readFamily(json: Json): Family {
  const architecture = Array.isArray(json.architectures) ? json.architectures[0] : undefined;
  const family = typeof architecture === "string" ? familyOfClass(architecture) : undefined;
  if (family !== undefined) return family;
  throw unsupportedArchitecture(FILE, `architecture ${shown(architecture ?? json.model_type ?? "(none named)")}`);
}

/** Refuses everything that is not the plain Llama block, by name. */
function refuseVariants(json: Json): void {
  const architecture = Array.isArray(json.architectures) ? json.architectures[0] : undefined;
  // Mistral's own default is a window of 4096, so it must say null; Llama has no window at all.
  const window =
    json.sliding_window === undefined && architecture === "MistralForCausalLM" ? 4096 : json.sliding_window;
  if (window !== undefined && window !== null) throw unsupportedArchitecture(FILE, `sliding_window ${shown(window)}`);
  const activation = json.hidden_act ?? "silu";
  if (activation !== "silu") throw unsupportedArchitecture(FILE, `hidden_act ${shown(activation)}`);
  for (const field of ["attention_bias", "mlp_bias"]) {
    if (flag(json, field)) throw unsupportedArchitecture(FILE, field);
  }
  const rotated = json.partial_rotary_factor ?? 1;
  if (rotated !== 1) throw unsupportedArchitecture(FILE, `partial_rotary_factor ${shown(rotated)}`);
  if (json.quantization_config) throw unsupportedArchitecture(FILE, "quantization_config");
}

function ropeScaling(scaling: unknown): RopeScaling {
  if (scaling === undefined || scaling === null) return { type: "none" };
  if (!isObject(scaling)) throw configInvalid(FILE, "rope_scaling is not an object");
  const type = scaling.rope_type ?? scaling.type ?? "default";
  if (type === "default") return { type: "none" };
  if (type !== "linear" && type !== "llama3") throw unsupportedArchitecture(FILE, `RoPE scaling ${shown(type)}`);
  const factor = positive(scaling, "factor");
  if (type === "linear") return { type, factor };
  const lowFreqFactor = positive(scaling, "low_freq_factor");
  const highFreqFactor = positive(scaling, "high_freq_factor");
  if (highFreqFactor <= lowFreqFactor) throw configInvalid(FILE, "high_freq_factor is not above low_freq_factor");
  const originalContext = positive(scaling, "original_max_position_embeddings");
  return { type, factor, lowFreqFactor, highFreqFactor, originalContext };
}

/** A number, or the default where the field is absent or null. */
function number(json: Json, field: string, fallback?: number): number {
  const value = json[field] ?? fallback;
  if (typeof value !== "number") throw configInvalid(FILE, `${field} is ${shown(value ?? "missing")}, not a number`);
  return value;
}

function positive(json: Json, field: string): number {
  const value = number(json, field);
  if (!(value > 0)) throw configInvalid(FILE, `${field} is ${value}`);
  return value;
}

function flag(json: Json, field: string): boolean {
  const value = json[field] ?? false;
  if (typeof value !== "boolean") throw configInvalid(FILE, `${field} is ${shown(value)}, not true or false`);
  return value;
}

/** An id, a list of ids, or none. */
function tokenIds(json: Json, field: string): number[] {
  const value = json[field] ?? [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  if (!ids.every((id) => typeof id === "number")) throw configInvalid(FILE, `${field} is no token id`);
  return ids;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
