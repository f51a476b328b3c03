// Which models have gradients here: asked before weights are loaded.

import type { ModelConfig } from "../../files/families/config.ts";
import { FACT_WORDS, type Facts } from "../../files/families/facts.ts";
import { MoloraError } from "../../proto/errors.ts";

/**
 * The kernels of this folder compute a plain Llama.
 *
 * @throws MoloraError `unsupported_architecture` where the model computes what has no gradient here, `config_invalid` where
 * heads are not whole groups of 8
 */
export function checkTrainable(config: ModelConfig): void {
  const facts = (Object.keys(FACT_WORDS) as (keyof Facts)[]).filter((fact) => config[fact] !== undefined);
  if (facts.length > 0) {
    const what = facts.map((fact) => FACT_WORDS[fact]).join(", ");
    throw new MoloraError("unsupported_architecture", `a model with ${what} cannot be trained on`, {
      remedy: "Train on a plain Llama, or train elsewhere and load the adapter or the router here.",
      details: { facts },
    });
  }
  if (config.headDim % 8 !== 0) {
    throw new MoloraError("config_invalid", `heads of ${config.headDim} values; training needs multiples of 8`);
  }
}
