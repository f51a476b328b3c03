// LoRA's A side for many tokens: one adapter's rows against the tokens of a tile. See shrink_segmented.wgsl.

import type { Kernel } from "../kernel.ts";
import { factorTexts, type LoraShape, shapeConstants } from "./lora_form.ts";
import { tileBound } from "./segments.ts";

export interface ShrinkFacts {
  /** Elements of x a token. */
  inputs: number;
  shape: LoraShape;
}

export const shrinkSegmented: Kernel<ShrinkFacts> = {
  name: "shrink_segmented",
  constants: ({ inputs, shape }) => ({ IN: inputs, ...shapeConstants(shape) }),
  wgsl: ({ shape }) => ({
    text: "lora/shrink_segmented",
    bindings: {
      table: "read",
      order: "read",
      tiles: "read",
      tile_count: "read",
      x: "read",
      pool: "read",
      shrunk: "read_write",
    },
    fragments: [{ texts: factorTexts(shape), constants: { ADAPTERS_BINDING: 5 } }],
    grid: (step) => [Math.ceil((shape.rows.length * step.maxRank4) / 16), tileBound(step), 1],
  }),
};
