// Features of adapters that are not served, refused by name wherever they show: in a configuration or in tensors' names.

import { MoloraError } from "../../proto/errors.ts";

const REMEDY = "Merge it into its base, or train a plain LoRA (peft_type LORA, bias none) for it.";

/** Refuses by name what tensors of this name mean and molora does not serve; other names pass. */
export function refuseTensor(name: string): void {
  if (/\.dora_scale\b/.test(name)) refuse("LyCORIS's DoRA (dora_scale)", name);
  if (/\.lora_(A|a|down)(\.[^.]+)?\.bias$/.test(name)) refuse("a bias of lora_A", name);
  if (/\.modules_to_save\b/.test(name)) refuse("fully trained modules (modules_to_save)", name);
  if (/\.mlp\.experts\b/.test(name)) refuse("another change of the matrices of a base's experts than LoRA", name);
  if (/\.mlp\.gate\./.test(name)) refuse("another change of the router of a base's experts than LoRA", name);
  if (/\.(hada_t[12]|lokr_t2)\b/.test(name)) refuse("LoHa or LoKr of convolutions", name);
}

/** @throws MoloraError `adapter_unsupported` */
export function refuse(feature: string, tensor?: string): never {
  const seen = tensor === undefined ? "" : ` (tensor ${tensor})`;
  throw new MoloraError("adapter_unsupported", `the adapter uses ${feature}, which is not supported${seen}`, {
    remedy: REMEDY,
    details: { feature },
  });
}
