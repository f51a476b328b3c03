// Features of adapters that are not served, refused by name wherever they show: in a configuration or in tensors' names.

import { MoloraError } from "../../proto/errors.ts";

const REMEDY = "Merge it into its base, or train a plain LoRA (peft_type LORA, bias none) for it.";

/** Refuses by name what tensors of this name mean and molora does not serve; other names pass. */
export function refuseTensor(name: string): void {
  if (/\.lora_embedding_[AB]\b/.test(name)) refuse("LoRA on embeddings", name);
  if (/\.(lora_magnitude_vector|dora_scale)\b|\.m$/.test(name)) refuse("DoRA", name);
  if (/\.lora_[AB](\.[^.]+)?\.bias$/.test(name)) refuse("biases of LoRA layers", name);
  if (/\.modules_to_save\b/.test(name)) refuse("fully trained modules (modules_to_save)", name);
  if (/\.(hada_w[12]_[ab]|lokr_w[12](_[ab])?)\b/.test(name)) refuse("LoHa or LoKr", name);
  if (/\b(embed_tokens|lm_head)\./.test(name)) refuse("changes to the embedding or the output head", name);
}

/** @throws MoloraError `adapter_unsupported` */
export function refuse(feature: string, tensor?: string): never {
  const seen = tensor === undefined ? "" : ` (tensor ${tensor})`;
  throw new MoloraError("adapter_unsupported", `the adapter uses ${feature}, which is not supported${seen}`, {
    remedy: REMEDY,
    details: { feature },
  });
}
