// What tools put around a module's path in the names of an adapter's tensors, and the path inside.

/** Segments before the decoder. They may stand in any order and any number: exporters wrap what is wrapped already. */
export const LEADING: Readonly<Record<string, string>> = {
  base_model: "PEFT",
  model: "transformers' models, and PEFT's own wrapper",
  module: "DistributedDataParallel, DeepSpeed",
  _forward_module: "Lightning Fabric",
  pretrained_model: "TRL's models with a value head",
  language_model: "transformers' models of text and images",
  text_model: "the same, of other makers",
  llm: "the same, of other makers",
};

/** Segments that wrap any module on the way. */
export const ANYWHERE: Readonly<Record<string, string>> = {
  _orig_mod: "torch.compile",
  _fsdp_wrapped_module: "FullyShardedDataParallel",
  _checkpoint_wrapped_module: "activation checkpointing",
};

export interface Unwrapped {
  /** What was before the decoder, as far as the model itself has it: "model.language_model". For target patterns. */
  outer: string;
  /** "layers.3.self_attn.q_proj.lora_A.weight" */
  inner: string;
}

/** Segments of LEADING that are no part of the model that PEFT looks for modules in. */
const ABOVE_MODEL = new Set(["module", "_forward_module", "pretrained_model"]);

/** Takes a name apart: whichever tool wrote it, `inner` is the same. */
export function unwrap(name: string): Unwrapped {
  const segments = name.split(".").filter((segment) => !Object.hasOwn(ANYWHERE, segment));
  let first = 0;
  while (first < segments.length - 1 && Object.hasOwn(LEADING, segments[first])) first++;
  const outer = segments.slice(0, first).filter((segment) => !ABOVE_MODEL.has(segment));
  if (outer[0] === "base_model" && outer[1] === "model") outer.splice(0, 2);
  return { outer: outer.join("."), inner: segments.slice(first).join(".") };
}
