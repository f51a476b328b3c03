// Hugging Face's config.json and generation_config.json as a ModelConfig. No field of the parsed JSON is trusted.

import type { ModelConfig } from "../families/config.ts";
import type { Family } from "../families/family.ts";
import { familyOfClass } from "../families/registry.ts";
import { shown } from "../shown.ts";
import { checkConfig, checkSizes, configInvalid, unsupportedArchitecture } from "./check_config.ts";
import { fieldsOf, readFacts } from "./hf_facts.ts";
import { FILE, flag, isObject, type Json, number, tokenIds, unknownField } from "./hf_fields.ts";
import { readRope } from "./hf_rope.ts";
import { refuseUnservedFamily, servedFacts } from "./served_facts.ts";
import { textConfig } from "./wrapped.ts";

/**
 * Reads what transformers' configuration of the family reads, with its defaults for all but token ids. The ids of both
 * files end a generation. "MistralForCausalLM" without a sliding window is a Llama. Of a model of text and images the
 * text part counts (wrapped.ts).
 *
 * @throws MoloraError `unsupported_architecture` for what would compute something no kernel computes and for fields that
 * are not known, `config_invalid` for a field that is missing or makes no sense
 */
export function parseHfConfig(whole: unknown, generationConfig?: unknown): ModelConfig {
  if (!isObject(whole)) throw configInvalid(FILE, "it is not a JSON object");
  const json = textConfig(whole)?.config ?? whole;
  const generation = generationConfig ?? {};
  if (!isObject(generation)) throw configInvalid("generation_config.json", "it is not a JSON object");
  const { family, className } = readFamily(json);
  refuseUnservedFamily(FILE, className, family);
  const stated = withDefaults(family, className, json);
  const config = readConfig(family, stated);
  const eosIds = [...new Set([...tokenIds(generation, "eos_token_id"), ...tokenIds(stated, "eos_token_id")])];
  return checkConfig(FILE, { ...config, bosId: tokenIds(stated, "bos_token_id")[0], eosIds });
}

function readFamily(json: Json): { family: Family; className: string } {
  const architecture = Array.isArray(json.architectures) ? json.architectures[0] : undefined;
  const family = typeof architecture === "string" ? familyOfClass(architecture) : undefined;
  if (family !== undefined) return { family, className: architecture };
  throw unsupportedArchitecture(FILE, `architecture ${shown(architecture ?? json.model_type ?? "(none named)")}`);
}

/** Absent fields with transformers' defaults. `null` stays: some fields mean something by it. */
function withDefaults(family: Family, className: string, json: Json): Json {
  const { defaults = {} } = family.config;
  const set = Object.entries(json).filter(([, value]) => value !== undefined);
  return { ...defaults[""], ...defaults[className], ...Object.fromEntries(set) };
}

function readConfig(family: Family, json: Json): Omit<ModelConfig, "bosId" | "eosIds"> {
  refuseUnread(family, json);
  const hiddenSize = number(json, "hidden_size");
  const numHeads = number(json, "num_attention_heads");
  const sizes = {
    hiddenSize,
    numLayers: number(json, "num_hidden_layers"),
    numHeads,
    numKvHeads: number(json, "num_key_value_heads", numHeads),
    headDim: number(json, "head_dim", hiddenSize / numHeads),
    intermediateSize: number(json, "intermediate_size"),
    vocabSize: number(json, "vocab_size"),
    contextLength: number(json, "max_position_embeddings", 2048),
  };
  checkSizes(FILE, sizes);
  return {
    architecture: family.architectures[0],
    ...sizes,
    normEps: number(json, "rms_norm_eps", 1e-6),
    ...readRope(json, sizes.contextLength),
    tieEmbeddings: flag(json, "tie_word_embeddings"),
    ...servedFacts(FILE, family, sizes, readFacts(family, json, sizes)),
  };
}

/** Refuses, by name, fields that would change what is computed and that nothing reads. */
function refuseUnread(family: Family, json: Json): void {
  const activation = json.hidden_activation ?? json.hidden_act ?? "silu";
  const isGelu = family.facts?.({ hiddenSize: 1 }).activation === "gelu_tanh";
  // Gemma's first releases say "gelu" and mean its approximation, as transformers reads them; "swish" is SiLU's other name.
  const names = isGelu
    ? ["gelu_pytorch_tanh", ...((json.hidden_activation ?? null) === null ? ["gelu"] : [])]
    : ["silu", "swish"];
  if (!names.includes(activation as string)) throw unsupportedArchitecture(FILE, `hidden_act ${shown(activation)}`);
  // Whoever does not read it rotates whole heads.
  const rotated = json.partial_rotary_factor ?? 1;
  if (rotated !== 1 && !family.config.states.includes("partial_rotary_factor")) {
    throw unsupportedArchitecture(FILE, `partial_rotary_factor ${shown(rotated)}`);
  }
  const unknown = unknownField(json, [...fieldsOf(family.config.states), "partial_rotary_factor"]);
  if (unknown !== undefined) throw unsupportedArchitecture(FILE, `the field ${shown(unknown)}`);
}
