// Fills a layer's table: which adapters, at which gate, each token takes there. See route.wgsl.

import type { Kernel } from "../kernel.ts";

export interface RouteFacts {
  /** Sequences there is state for. */
  sequences: number;
  /** Entries a token can have. */
  entries: number;
  /** Experts a mixture can have. */
  experts: number;
  gateWidth: number;
}

export const route: Kernel<RouteFacts> = {
  name: "route",
  constants: ({ sequences, entries, experts, gateWidth }) => ({
    SEQUENCES: sequences,
    ENTRIES: entries,
    EXPERTS: experts,
    GATE_WIDTH: gateWidth,
  }),
  wgsl: () => ({
    text: "routing/route",
    bindings: {
      sequences: "read",
      fixed_entries: "read",
      ids: "read",
      gate: "read",
      pool: "read",
      evidence: "read_write",
      belief: "read_write",
      table: "read_write",
      blocks: "read",
    },
    fragments: [{ texts: ["routing/router"] }],
    grid: ({ sequences }) => [sequences, 1, 1],
  }),
  cpu: () => [{ body: "route", items: ({ sequences }) => sequences }],
};
