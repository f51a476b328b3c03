// Takes rows of logits from where another output head has put them. See choose_rows.wgsl.

import type { Kernel } from "../kernel.ts";

export const chooseRows: Kernel<{ vocab: number }> = {
  name: "choose_rows",
  constants: ({ vocab }) => ({ VOCAB: vocab }),
  wgsl: ({ vocab }) => ({
    text: "sampling/choose_rows",
    bindings: { taken: "read", others: "read", logits: "read_write" },
    grid: ({ rows }) => [Math.ceil(vocab / 256), rows, 1],
  }),
  cpu: () => [{ body: "choose_rows", items: ({ rows }) => rows }],
};
