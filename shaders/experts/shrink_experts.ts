// LoRA's A side on experts' matrices. See shrink_experts.wgsl.

import type { Kernel } from "../kernel.ts";
import { type ExpertLoraFacts, expertConstants, expertOf } from "./expert_lora.ts";

export interface ShrinkExpertsFacts extends ExpertLoraFacts {
  cols: number;
  /** x has one row for: every token, or every slot of a token. */
  per: "tokens" | "slots";
}

export const shrinkExperts: Kernel<ShrinkExpertsFacts> = {
  name: "shrink_experts",
  constants: (facts) => ({ ...expertConstants(facts), COLS: facts.cols, PER_TOKEN: facts.per === "tokens" }),
  wgsl: (facts) => ({
    text: "experts/shrink_experts",
    bindings: { step: "uniform", table: "read", pool: "read", x: "read", shrunk: "read_write" },
    fragments: [expertOf(facts)],
    grid: ({ tokens, entries }) => [tokens * facts.used, entries, facts.parts.length],
  }),
  cpu: ({ used, parts }) => [
    { body: "shrink_experts", items: ({ tokens, entries }) => tokens * used * entries * parts.length },
  ],
};
