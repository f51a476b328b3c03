// The families there are, found by any of their names.

import { MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "./config.ts";
import type { Family } from "./family.ts";
import { GEMMA, GEMMA2, GEMMA3 } from "./gemma.ts";
import { GRANITE } from "./granite.ts";
import { LLAMA } from "./llama.ts";
import { OLMO2 } from "./olmo2.ts";
import { OLMOE } from "./olmoe.ts";
import { PHI3 } from "./phi3.ts";
import { QWEN2 } from "./qwen2.ts";
import { QWEN3 } from "./qwen3.ts";
import { QWEN3_MOE } from "./qwen3_moe.ts";
import { SMOLLM3 } from "./smollm3.ts";

export const FAMILIES: readonly Family[] = [
  LLAMA,
  GRANITE,
  SMOLLM3,
  QWEN2,
  QWEN3,
  QWEN3_MOE,
  GEMMA,
  GEMMA2,
  GEMMA3,
  PHI3,
  OLMO2,
  OLMOE,
];

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
