// LoRA's B side for many tokens: writes one plane of deltas an entry. See expand_segmented.wgsl.
// The consumer of the base layer's output adds the planes to it.

import type { Kernel } from "../kernel.ts";
import { factorTexts, type LoraShape, shapeConstants } from "./lora_form.ts";
import { tileBound } from "./segments.ts";

export const expandSegmented: Kernel<LoraShape> = {
  name: "expand_segmented",
  constants: shapeConstants,
  wgsl: (lora) => {
    const all = lora.rows.reduce((sum, count) => sum + count, 0);
    return {
      text: "lora/expand_segmented",
      bindings: {
        order: "read",
        tiles: "read",
        tile_count: "read",
        pool: "read",
        shrunk: "read",
        planes: "read_write",
        table: "read",
        y: "read",
      },
      fragments: [{ texts: factorTexts(lora), constants: { ADAPTERS_BINDING: 3 } }],
      grid: (shape) => [Math.ceil(all / 128), tileBound(shape), 1],
    };
  },
};
