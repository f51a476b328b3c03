// The launches of y = W · x: one a shard of the matrix, each with what its format reads of x.

import { type ActivationForm, QUANTISED_FORMATS } from "../../shaders/formats/device_format.ts";
import { launch, type Views } from "../../shaders/kernel.ts";
import { type LinearFacts, linear } from "../../shaders/layer/linear.ts";
import type { Launch } from "../device/device.ts";
import type { View } from "../device/memory.ts";
import type { LinearWeights } from "./linear_weights.ts";
import type { Activations } from "./workspace.ts";

export interface Product {
  step: View;
  from: Activations;
  y: View;
  /** Most tokens, or rows of logits, of a step. */
  tokens: number;
  /** What `from` holds: int8 serves quantised weights, those left as floats read f32. */
  activations: ActivationForm;
  facts?: Partial<LinearFacts>;
  /** Of the first shard alone: what is computed along with the product. */
  firstFacts?: Partial<LinearFacts>;
  /** What the facts read beside x. */
  views?: Views<View>;
}

export function multiply({ rows, cols, shards }: LinearWeights, product: Product): Launch[] {
  const { step, from, y, tokens, facts, firstFacts, views } = product;
  const { x, xq, xs } = from;
  return shards.map(({ format, firstRow, rows: count, quants, scales }, n) => {
    const activations = QUANTISED_FORMATS.has(format) ? product.activations : "f32";
    const own = { format, rows, cols, shard: { firstRow, rows: count }, activations, tokens };
    const taken = activations === "q8" ? { x, xq, xs } : { x };
    return launch(
      linear,
      { ...own, ...facts, ...(n === 0 ? firstFacts : {}) },
      { step, quants, scales, ...taken, y, ...views },
    );
  });
}
