// Which launches a step needs: its LoRA form, whether anything is routed, and the class of its sizes.
// It knows nothing of the launches themselves.

import type { LoraForm } from "../../shaders/lora_form.ts";
import type { StepShape } from "../../shaders/step.ts";

/** What a step needs of the forward pass. Steps of one kind share their launches. */
export interface StepKind {
  lora: LoraForm;
  /** A router chooses for some token: every layer has its own table. */
  routed: boolean;
  /** Class of token counts that one tile of the linear kernel serves. */
  tokens: number;
  /** The same for rows of logits. */
  rows: number;
}

/** Below this many tokens, LoRA rows ride along with the linear layers; from here on, sorting by adapter pays. */
const GATHER_TOKENS = 16;

export function stepKind(shape: StepShape): StepKind {
  const lora = shape.entries === 0 ? "none" : shape.tokens < GATHER_TOKENS ? "gather" : "segmented";
  return { lora, routed: shape.routed, tokens: tileClass(shape.tokens), rows: tileClass(shape.rows) };
}

function tileClass(count: number): number {
  if (count <= 1) return 1;
  if (count <= 4) return 4;
  return count < GATHER_TOKENS ? 8 : 64;
}
