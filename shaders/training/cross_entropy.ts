// The language-model loss of rows of logits, and its gradient in their place. See cross_entropy.wgsl.

import type { Kernel } from "../kernel.ts";
import { struct } from "../struct.ts";

/** One row of logits whose label's loss is wanted. */
export const LOSS_ROW = struct("LossRow", { token: "u32", label: "u32", weight: "f32" });

export interface CrossEntropyFacts {
  vocab: number;
  /** Rows of a chunk: a workgroup for each of them. */
  rows: number;
}

export const crossEntropy: Kernel<CrossEntropyFacts> = {
  name: "training/cross_entropy",
  constants: ({ vocab }) => ({ VOCAB: vocab }),
  wgsl: ({ rows }) => ({
    text: "training/cross_entropy",
    structs: [LOSS_ROW],
    bindings: { rows: "read", logits: "read_write", losses: "read_write" },
    grid: () => [rows, 1, 1],
  }),
  cpu: ({ rows }) => [{ body: "cross_entropy", items: () => rows }],
};
