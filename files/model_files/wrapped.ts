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
  "SmolVLMForConditionalGeneration",
]);

/** Class of a text model by the `model_type` that its part of the config states. */
const CLASSES: Readonly<Record<string, string>> = {
  gemma3_text: "Gemma3ForCausalLM",
  llama: "LlamaForCausalLM",
  mistral: "MistralForCausalLM",
  phi3: "Phi3ForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
};

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
  const { text_config: text, tie_word_embeddings } = json;
  if (!WRAPPERS.has(wrapper) || !isObject(text)) return undefined;
  const type = String(text.model_type);
  const architectures = Object.hasOwn(CLASSES, type) ? [CLASSES[type]] : [`${wrapper} with a text model ${type}`];
  // transformers 5 heeds the wrapper's; older files state it in either place.
  const tied = tie_word_embeddings ?? text.tie_word_embeddings;
  return { wrapper, config: { ...text, architectures, ...(tied === undefined ? {} : { tie_word_embeddings: tied }) } };
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
