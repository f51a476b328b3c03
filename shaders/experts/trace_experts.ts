// Collects which of the model's own experts each token took whose logits are wanted. See trace_experts.wgsl.

import type { Kernel } from "../kernel.ts";

export interface TraceExpertsFacts {
  layers: number;
  /** Values from one layer's choices to the next's. */
  stride: number;
  /** K: experts a token takes. */
  used: number;
}

export const traceExperts: Kernel<TraceExpertsFacts> = {
  name: "trace_experts",
  constants: ({ layers, stride, used }) => ({ LAYERS: layers, STRIDE: stride, USED: used }),
  wgsl: () => ({
    text: "experts/trace_experts",
    bindings: { rows: "read", chosen: "read", weights: "read", trace: "read_write" },
    grid: ({ rows }) => [rows, 1, 1],
  }),
  cpu: () => [{ body: "trace_experts", items: ({ rows }) => rows }],
};
