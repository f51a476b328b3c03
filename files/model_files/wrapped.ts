// Models of text and more whose text part is a model of its own: its config out of theirs, its tensors under its names.

import type { StoredTensor, TensorSource } from "../weights/tensor.ts";
import { isObject, type Json } from "./hf_fields.ts";

/** transformers' classes that, given text alone, compute exactly what their text model does. */
const WRAPPERS: ReadonlySet<unknown> = new Set([
  "Gemma3ForConditionalGeneration",
  "Idefics3ForConditionalGeneration",
  "InternVLForConditionalGeneration",
  "LlavaForConditionalGeneration",
  "LlavaNextForConditionalGeneration",
  "Mistral3ForConditionalGeneration",
  "Qwen2VLForConditionalGeneration",
  "Qwen2_5_VLForConditionalGeneration",
  "SmolVLMForConditionalGeneration",
]);

/** Class of a text model by the `model_type` that its part of the config states. */
const CLASSES: Readonly<Record<string, string>> = {
  gemma3_text: "Gemma3ForCausalLM",
  llama: "LlamaForCausalLM",
  mistral: "MistralForCausalLM",
  phi3: "Phi3ForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen2_vl_text: "Qwen2ForCausalLM",
  qwen2_5_vl_text: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
};

/** Older files state the text part's fields beside the others: what it would have as its `model_type`. */
const FLAT: Readonly<Record<string, string>> = {
  Qwen2VLForConditionalGeneration: "qwen2_vl_text",
  Qwen2_5_VLForConditionalGeneration: "qwen2_5_vl_text",
};

/** transformers' defaults for absent fields of text parts, where they are not those of the class in CLASSES. */
const DEFAULTS: Readonly<Record<string, Json>> = {
  qwen2_vl_text: { rms_norm_eps: 1e-5, rope_theta: 1e6 },
  qwen2_5_vl_text: { rms_norm_eps: 1e-5, rope_theta: 1e6 },
};

/** Fields of images and sound among those of text. */
const OF_IMAGES = /^(vision|image|video|audio)_/;

/** Where wrappers keep the text model and its head, before and since transformers 5. */
const PREFIXES: readonly (readonly [from: string, to: string])[] = [
  ["language_model.model.", "model."],
  ["language_model.lm_head.", "lm_head."],
  ["model.language_model.", "model."],
  ["model.text_model.", "model."],
];

/** The config.json that the text part alone would have; undefined where `json` is no wrapper's. */
export function textConfig(json: Json): { config: Json; wrapper: string } | undefined {
  const [wrapper] = Array.isArray(json.architectures) ? json.architectures : [];
  const { tie_word_embeddings } = json;
  if (!WRAPPERS.has(wrapper)) return undefined;
  const text = json.text_config ?? (Object.hasOwn(FLAT, wrapper) ? { ...json, model_type: FLAT[wrapper] } : undefined);
  if (!isObject(text)) return undefined;
  const type = String(text.model_type);
  const architectures = Object.hasOwn(CLASSES, type) ? [CLASSES[type]] : [`${wrapper} with a text model ${type}`];
  // transformers 5 heeds the wrapper's, of Qwen's either; older files state it in either place.
  const either = Object.hasOwn(FLAT, wrapper) && text.tie_word_embeddings === true;
  const tied = either || (tie_word_embeddings ?? text.tie_word_embeddings);
  const ofText = Object.fromEntries(Object.entries(text).filter(([field]) => !OF_IMAGES.test(field)));
  const config = {
    ...DEFAULTS[type],
    ...ofText,
    architectures,
    ...(tied === undefined ? {} : { tie_word_embeddings: tied }),
  };
  return { wrapper, config: { ...config, ...oneTurn(config) } };
}

/**
 * RoPE by an image's height, width and time, in sections of a head: of text all three are the position, so that it is plain
 * RoPE. Its older name was "mrope".
 */
function oneTurn(config: Json): Json {
  return Object.fromEntries(
    ["rope_scaling", "rope_parameters"].flatMap((field): [string, Json][] => {
      const rope = config[field];
      if (!isObject(rope) || rope.mrope_section === undefined) return [];
      const plain = Object.entries(rope).map(([name, value]) => [name, value === "mrope" ? "default" : value]);
      return [[field, Object.fromEntries(plain)]];
    }),
  );
}

/** The text part's tensors under the names a text model has, all others as they are. */
export function textTensors(source: TensorSource): TensorSource {
  const renamed = (name: string) => {
    const found = PREFIXES.find(([from]) => name.startsWith(from));
    return found === undefined ? name : found[1] + name.slice(found[0].length);
  };
  const tensors = [...source.tensors].map(([name, tensor]): [string, StoredTensor] => [renamed(name), tensor]);
  const unsupported = [...(source.unsupported ?? [])].map(([name, type]): [string, string] => [renamed(name), type]);
  return { ...source, tensors: new Map(tensors), unsupported: new Map(unsupported) };
}
