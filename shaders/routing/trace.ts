// Collects the routing of the tokens whose logits are wanted, so that the host can show it. See trace.wgsl.

import type { Kernel } from "../kernel.ts";
import { tableStride } from "../step.ts";

export interface TraceFacts {
  layers: number;
  maxTokens: number;
  entries: number;
}

export const trace: Kernel<TraceFacts> = {
  name: "trace",
  constants: ({ layers, maxTokens, entries }) => ({
    LAYERS: layers,
    STRIDE: tableStride(maxTokens, entries),
    ENTRIES: entries,
  }),
  wgsl: () => ({
    text: "routing/trace",
    bindings: { rows: "read", table: "read", trace: "read_write" },
    grid: ({ rows }) => [rows, 1, 1],
  }),
  cpu: () => [{ body: "trace", items: ({ rows }) => rows }],
};
