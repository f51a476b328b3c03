// LoRA's B side on experts' matrices. See expand_experts.wgsl.

import type { Kernel } from "../kernel.ts";
import { type ExpertLoraFacts, expertConstants, expertOf } from "./expert_lora.ts";

export interface ExpandExpertsFacts extends ExpertLoraFacts {
  /** Output rows of each part: the same. */
  rows: number;
}

export const expandExperts: Kernel<ExpandExpertsFacts> = {
  name: "expand_experts",
  constants: (facts) => ({ ...expertConstants(facts), ROWS: facts.rows }),
  wgsl: (facts) => ({
    text: "experts/expand_experts",
    bindings: { step: "uniform", table: "read", pool: "read", shrunk: "read", y: "read_write" },
    fragments: [expertOf(facts)],
    grid: ({ tokens, entries }) =>
      entries === 0 ? [0, 0, 0] : [Math.ceil((facts.rows * facts.parts.length) / 64), tokens * facts.used, 1],
  }),
  cpu: ({ used, parts }) => [
    { body: "expand_experts", items: ({ tokens, entries }) => (entries === 0 ? 0 : tokens * used * parts.length) },
  ],
};
