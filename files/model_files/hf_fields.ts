// Fields of config.json: how one is read, and which say nothing of what the model computes.

import { shown } from "../shown.ts";
import { configInvalid } from "./check_config.ts";

export const FILE = "config.json";
export type Json = Record<string, unknown>;

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A number, or the default where the field is absent or null. */
export function number(json: Json, field: string, fallback?: number): number {
  const value = json[field] ?? fallback;
  if (typeof value !== "number") throw configInvalid(FILE, `${field} is ${shown(value ?? "missing")}, not a number`);
  return value;
}

export function positive(json: Json, field: string, fallback?: number): number {
  const value = number(json, field, fallback);
  if (!(value > 0 && Number.isFinite(value))) throw configInvalid(FILE, `${field} is ${value}`);
  return value;
}

export function flag(json: Json, field: string, fallback = false): boolean {
  const value = json[field] ?? fallback;
  if (typeof value !== "boolean") throw configInvalid(FILE, `${field} is ${shown(value)}, not true or false`);
  return value;
}

/** A list of numbers; undefined where the field is absent or null. */
export function numbers(json: Json, field: string): number[] | undefined {
  const value = json[field] ?? undefined;
  if (value === undefined) return undefined;
  const all: unknown[] = Array.isArray(value) ? value : [value];
  if (!all.every((one) => typeof one === "number")) throw configInvalid(FILE, `${field} is no list of numbers`);
  return all;
}

/** An id, a list of ids, or none. */
export function tokenIds(json: Json, field: string): number[] {
  const value = json[field] ?? [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  if (!ids.every((id) => typeof id === "number")) throw configInvalid(FILE, `${field} is no token id`);
  return ids;
}

/** Fields every family reads. */
const READ = [
  ...["architectures", "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"],
  ...["head_dim", "intermediate_size", "vocab_size", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings"],
  ...["bos_token_id", "eos_token_id", "hidden_act", "hidden_activation", "quantization_config"],
  ...["rope_theta", "rope_scaling", "rope_parameters", "original_max_position_embeddings"],
];

/** Fields of training, of saving and of transformers' own running, and defaults of generation, which requests state. */
const HARMLESS = [
  ...["torch_dtype", "dtype", "transformers_version", "use_cache", "initializer_range", "pretraining_tp", "auto_map"],
  ...["attention_dropout", "hidden_dropout", "resid_pdrop", "embd_pdrop", "residual_dropout", "embedding_dropout"],
  ...["output_router_logits", "router_aux_loss_coef", "router_jitter_noise", "input_jitter_noise", "pad_token_id"],
  ...["sep_token_id", "cls_token_id", "unk_token_id", "decoder_start_token_id", "tokenizer_class", "name_or_path"],
  ...["output_hidden_states", "output_attentions", "return_dict", "return_dict_in_generate", "torchscript"],
  ...["chunk_size_feed_forward", "is_encoder_decoder", "is_decoder", "problem_type", "task_specific_params"],
  ...["id2label", "label2id", "num_labels", "finetuning_task", "cache_implementation", "attn_implementation"],
  ...["use_flash_attn", "use_flash_attention_2", "prefix", "remove_invalid_values", "use_bfloat16", "pruned_heads"],
  ...["max_length", "min_length", "max_new_tokens", "do_sample", "temperature", "top_k", "top_p", "typical_p"],
  ...["repetition_penalty", "length_penalty", "num_beams", "num_beam_groups", "num_return_sequences"],
  ...[
    "is_llama_config",
    "early_stopping",
    "suppress_tokens",
    "begin_suppress_tokens",
    "bad_words_ids",
    "output_scores",
  ],
  ...["no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "diversity_penalty", "exponential_decay_length_penalty"],
  ...["forced_bos_token_id", "forced_eos_token_id", "tf_legacy_loss", "tie_encoder_decoder", "output_past"],
  ...["num_logits_to_keep", "use_sdpa", "use_flash_attention", "gradient_checkpointing", "neftune_noise_alpha"],
  ...["transformers.js_config", "tokenizer_model_max_length", "eod_token_id", "ignore_index"],
  // What complements a window; without one they say nothing.
  ...["use_sliding_window", "max_window_layers", "layer_types", "sliding_window_pattern"],
];

/** Private fields, versions, dropout, and what Unsloth notes of its own work. */
const INERT = /^_|^unsloth_|_version$|dropout/;

const KNOWN: ReadonlySet<string> = new Set([...READ, ...HARMLESS]);

/**
 * The first field that is set and that nobody knows: it may change what the model computes. `states` are the fields the
 * family reads beside those that all read.
 */
export function unknownField(json: Json, states: readonly string[]): string | undefined {
  return Object.keys(json).find(
    (field) => !KNOWN.has(field) && !states.includes(field) && !INERT.test(field) && isSet(json[field]),
  );
}

function isSet(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== false;
}
