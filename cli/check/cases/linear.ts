// Linear layers: every format that a device holds weights in, f32 and int8 activations, on ragged shapes.

import { type LinearFacts, linear } from "../../../shaders/layer/linear.ts";
import type { KernelCase } from "../case.ts";
import { compute, stepShape } from "../compute.ts";
import { randomFloats } from "../random.ts";
import { linearReference } from "../reference/linear.ts";
import { int8Blocks } from "./int8_blocks.ts";
import { caseWeights, WEIGHT_TYPES, type WeightType, wholeColumns } from "./weights.ts";

/** Against Σ|w·x|: sums of some hundred terms, each rounded to f32. */
const TOLERANCE = 1e-5;
const ROWS = 70;
/** At least. */
const COLS = 96;
/** Tokens of a step, and those a launch is built for: on a GPU each tile once. */
const STEPS: [tokens: number, builtFor: number][] = [
  [1, 1],
  [3, 4],
  [8, 8],
  [7, 16],
  [33, 16],
];

export function linearCases(): KernelCase[] {
  return STEPS.flatMap(([tokens, builtFor]) => [
    ...WEIGHT_TYPES.map((type) => floatCase(type, tokens, builtFor)),
    ...(["q8_0", "q4_0", "q4_1", "q5_1", "q4_k", "q6_k"] as const).map((type) => int8Case(type, tokens)),
  ]);
}

function floatCase(type: WeightType, tokens: number, builtFor: number): KernelCase {
  return {
    kernel: `linear ${type} × f32`,
    name: `${tokens} tokens, built for ${builtFor}`,
    async run(device) {
      const cols = wholeColumns(type, COLS);
      const { format, views, values } = await caseWeights(device, type, [ROWS, cols], 1);
      const x = randomFloats(tokens * cols, 7);
      const facts: LinearFacts = { format, rows: ROWS, cols, activations: "f32", tokens: builtFor };
      const arrays = { x, y: new Float32Array(tokens * ROWS) };
      const { y } = await compute(device, linear, facts, stepShape({ tokens }), arrays, { views });
      const { y: expected, magnitude } = linearReference(values, x, ROWS, cols, tokens);
      return [{ actual: y, expected, tolerance: TOLERANCE, scale: magnitude }];
    },
  };
}

/** Only the CPU has int8 activations. */
function int8Case(type: WeightType, tokens: number): KernelCase {
  return {
    kernel: `linear ${type} × int8`,
    name: `${tokens} tokens`,
    only: "cpu",
    async run(device) {
      const cols = wholeColumns(type, COLS);
      const { format, views, values } = await caseWeights(device, type, [ROWS, cols], 1);
      const blocks = int8Blocks(randomFloats(tokens * cols, 7));
      const facts: LinearFacts = { format, rows: ROWS, cols, activations: "q8", tokens };
      const arrays = { xq: blocks.xq, xs: blocks.xs, y: new Float32Array(tokens * ROWS) };
      const more = { views, cpu: { xq: "read", xs: "read" } } as const;
      const { y } = await compute(device, linear, facts, stepShape({ tokens }), arrays, more);
      const { y: expected, magnitude } = linearReference(values, blocks.values, ROWS, cols, tokens);
      return [{ actual: y, expected, tolerance: TOLERANCE, scale: magnitude }];
    },
  };
}
