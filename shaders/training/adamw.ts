// AdamW over one flat array of parameters. See adamw.wgsl.

import type { Kernel } from "../kernel.ts";
import { struct } from "../struct.ts";

/** The numbers of one step, in a uniform. */
export const RULE = struct("Rule", {
  rate: "f32",
  beta1: "f32",
  beta2: "f32",
  epsilon: "f32",
  decay: "f32",
  /** 1 − β1^step */
  correction1: "f32",
  /** 1 − β2^step */
  correction2: "f32",
  /** Of the gradients. */
  scale: "f32",
});

/** `count`: elements, a multiple of 4. */
export const adamw: Kernel<{ count: number }, void> = {
  name: "training/adamw",
  constants: ({ count }) => ({ COUNT: count }),
  wgsl: ({ count }) => ({
    text: "training/adamw",
    structs: [RULE],
    bindings: {
      rule: "uniform",
      gradients: "read",
      values: "read_write",
      means: "read_write",
      squares: "read_write",
    },
    // Threads beyond this many workgroups take further elements in turn.
    grid: () => [Math.min(4096, Math.ceil(count / 256)), 1, 1],
  }),
  cpu: ({ count }) => [{ body: "adamw", items: () => Math.ceil(count / 1024) }],
};
