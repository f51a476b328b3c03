// What holds parameters near where they were: a quadratic penalty and its gradient. See anchor.wgsl.

import type { Kernel } from "../kernel.ts";
import { PARTIALS } from "./squares.ts";

export interface AnchorFacts {
  /** Elements, a multiple of 4. */
  count: number;
  strength: number;
}

export const anchor: Kernel<AnchorFacts, void> = {
  name: "training/anchor",
  constants: ({ count, strength }) => ({ COUNT: count, PARTIALS, STRENGTH: strength }),
  wgsl: () => ({
    text: "training/anchor",
    bindings: { values: "read", anchors: "read", importance: "read", gradients: "read_write", partials: "read_write" },
    grid: () => [PARTIALS / 64, 1, 1],
  }),
  cpu: () => [{ body: "anchor", items: () => PARTIALS }],
};
