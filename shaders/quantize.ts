// Float activations to int8 blocks of 32, as a launch of its own. See quantize.wgsl.
// It knows nothing of where the activations come from; kernels that end in a quantised result call the part instead.

import type { Gpu } from "../engine/gpu/gpu.ts";
import { defineKernel } from "../engine/gpu/kernel.ts";
import type { Pipeline } from "../engine/gpu/pipelines.ts";
import type { Grid } from "../engine/gpu/program.ts";
import { type StepShape, shader } from "./step.ts";

const KERNEL = defineKernel({
  name: "quantize",
  parts: [shader("parts/step"), shader("parts/quantize_q8"), shader("quantize")],
  bindings: { step: "uniform", x: "read", xq: "read_write", xs: "read_write" },
});
const WORKGROUP = 32;

/** `cols` must be a multiple of 32. */
export function quantizePipeline(gpu: Gpu, cols: number): Promise<Pipeline<keyof typeof KERNEL.bindings>> {
  if (cols % 32 !== 0) throw new RangeError(`quantize: ${cols} columns are not whole blocks of 32`);
  return gpu.pipelines.get(KERNEL, { COLS: cols, WORKGROUP });
}

export function quantizeGrid(cols: number): (shape: Pick<StepShape, "tokens">) => Grid {
  const groups = Math.ceil(cols / 32 / WORKGROUP);
  return ({ tokens }) => [groups, tokens, 1];
}
