// The families there are, found by any of their names.

import { MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "./config.ts";
import type { Family } from "./family.ts";
import { LLAMA } from "./llama.ts";

export const FAMILIES: readonly Family[] = [LLAMA];

/** The family of transformers' class `architecture`, or undefined. */
export function familyOfClass(architecture: string): Family | undefined {
  return FAMILIES.find(({ architectures }) => architectures.includes(architecture));
}

/** The family of GGUF's `general.architecture`, or undefined. */
export function familyOfGguf(architecture: string): Family | undefined {
  return FAMILIES.find(({ gguf }) => gguf.architecture === architecture);
}

/** The family of a config that a reader of this folder has made. */
export function familyOf({ architecture }: Pick<ModelConfig, "architecture">): Family {
  const family = familyOfClass(architecture);
  if (family === undefined) throw new MoloraError("internal", `${architecture} is of no family`);
  return family;
}
