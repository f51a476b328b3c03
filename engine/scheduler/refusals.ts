// Refusals that more than one place has to make, each said once.

import { MoloraError } from "../../proto/errors.ts";

/** `most`: tokens that the context, or the memory beside its adapters, holds. */
export function promptTooLong(promptTokens: number, most: number): MoloraError {
  return new MoloraError("prompt_too_long", `the prompt has ${promptTokens} tokens, the context holds ${most}`, {
    remedy: "Shorten the prompt, or start the engine with a longer context or more memory for it.",
    details: { promptTokens, context: most },
  });
}

export function promptEmpty(): MoloraError {
  return new MoloraError("prompt_empty", "the prompt has no tokens", { remedy: "Give at least one token." });
}
