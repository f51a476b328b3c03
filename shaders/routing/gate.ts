// The hidden layer of a routed sequence's gate, or its similarity to arrow prototypes or to keys. See gate.wgsl.

import type { Kernel } from "../kernel.ts";

export interface GateFacts {
  hidden: number;
  /** Widest gate there is room for, a multiple of 4. */
  gateWidth: number;
  /** About how many tokens a step has. */
  tokens: number;
}

/** Threads, each of four rows. */
const WORKGROUP = 32;

export const gate: Kernel<GateFacts> = {
  name: "gate",
  constants: ({ hidden, gateWidth }) => ({ HIDDEN: hidden, GATE_WIDTH: gateWidth }),
  wgsl: (facts) => {
    const together = facts.tokens === 1 ? 1 : 4;
    return {
      text: "routing/gate",
      bindings: { step: "uniform", tokens: "read", sequences: "read", x: "read", pool: "read", gate: "read_write" },
      fragments: [{ texts: ["lora/add_rows", "routing/router", "routing/cosines"] }],
      constants: { WORKGROUP, TOKENS: together },
      grid: ({ gateWidth, tokens }) => [Math.ceil(gateWidth / (4 * WORKGROUP)), Math.ceil(tokens / together), 1],
    };
  },
  cpu: () => [{ body: "gate", items: ({ tokens, gateWidth }) => Math.ceil(tokens / 4) * Math.ceil(gateWidth / 4) }],
};
