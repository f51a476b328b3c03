// LoRA on the matrices of a model's own experts, and on the router that chooses among them: where an adapter's run has them.

import type { Constants, Fragment } from "../kernel.ts";
import type { LoraFacts } from "../lora/lora_form.ts";

/** In the order of their headers. */
export const EXPERT_PARTS = ["router", "gate_proj", "up_proj", "down_proj"] as const;
export type ExpertPart = (typeof EXPERT_PARTS)[number];

/** The header of an adapter's run that says, as its second value, where those of its experts' parts begin; 0: it has none. */
export const EXPERT_HEADERS = 7;

export interface ExpertLoraFacts extends LoraFacts {
  /** Computed together, from one input: neighbours of EXPERT_PARTS. */
  parts: readonly ExpertPart[];
  /** Experts a token takes; of the router 1. */
  used: number;
  /** The router is no expert's: nothing is chosen. */
  chosen: boolean;
}

export function expertConstants({ parts, used, entries, rank4 }: ExpertLoraFacts): Constants {
  const first = EXPERT_PARTS.indexOf(parts[0]);
  return { PART0: first, PARTS: parts.length, USED: used, ENTRIES: entries, RANK4: rank4, HEADERS: EXPERT_HEADERS };
}

export function expertOf({ chosen }: ExpertLoraFacts): Fragment {
  return chosen
    ? { texts: ["experts/expert_chosen"], bindings: { chosen: "read" }, at: "CHOSEN_BINDING" }
    : { texts: ["experts/expert_none"] };
}
