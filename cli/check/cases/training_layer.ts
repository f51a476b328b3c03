// Training's kernels of a layer: forward against float64, gradients against differences of the same float64 functions.

import { add } from "../../../shaders/training/add.ts";
import { backwardLinear } from "../../../shaders/training/backward_linear.ts";
import { backwardNorm } from "../../../shaders/training/backward_norm.ts";
import { backwardSwiglu } from "../../../shaders/training/backward_swiglu.ts";
import { crossEntropy } from "../../../shaders/training/cross_entropy.ts";
import { residualNorm } from "../../../shaders/training/residual_norm.ts";
import type { Compared, KernelCase } from "../case.ts";
import { compute } from "../compute.ts";
import { compareGradient, inner } from "../gradient.ts";
import { randomFloats } from "../random.ts";
import { linear } from "../reference/linear.ts";
import { rmsNorm } from "../reference/rms_norm.ts";
import { logSoftmax } from "../reference/softmax.ts";
import { swiglu } from "../reference/swiglu.ts";
import { bitsOf, caseBatch, strip } from "./sequences.ts";
import { attentionCases } from "./training_attention.ts";
import { caseWeights, WEIGHT_TYPES, type WeightType, wholeColumns } from "./weights.ts";

/** Against the largest value: sums of at most some hundred products, each rounded to f32. */
const TOLERANCE = 2e-5;
const EPS = 1e-5;

export function trainingLayerCases(): KernelCase[] {
  return [
    ...WEIGHT_TYPES.flatMap((type) => [1, 3, 9].map((tokens) => backwardLinearCase(type, tokens))),
    addCase,
    ...[24, 72].flatMap((hidden) => [addedNormCase(hidden), gatheredNormCase(hidden)]),
    swigluCase,
    crossEntropyCase,
    ...attentionCases(),
  ];
}

/** From a strip of dy into a strip of dx, to which it is added. */
function backwardLinearCase(type: WeightType, tokens: number): KernelCase {
  const [rows, cols] = [36, wholeColumns(type, 64)];
  const [stride, offset] = [cols + 8, 8];
  return {
    kernel: "backward_linear",
    name: `${type}, ${tokens} tokens`,
    async run(device) {
      const { format, views, values } = await caseWeights(device, type, [rows, cols], 3);
      const dy = randomFloats(tokens * 40, 5);
      const before = randomFloats(tokens * stride, 6);
      const facts = { format, rows, cols, dy: { stride: 40, offset: 4 }, dx: { stride, offset }, add: true };
      const { shape } = caseBatch([tokens]);
      const { dx } = await compute(device, backwardLinear, facts, shape, { dy, dx: before }, { views });
      const own = strip(dy, 40, 4, rows);
      const gained = dx.map((value, i) => value - before[i]);
      const f = (at: Float64Array) => inner(linear(strip(at, stride, offset, cols), values, tokens, cols, rows), own);
      return [compareGradient(gained, f, randomFloats(before.length, 7), { h: 1e-3 })];
    },
  };
}

const addCase: KernelCase = {
  kernel: "add",
  name: "7 tokens",
  async run(device) {
    const [left, right] = [randomFloats(7 * 20, 1), randomFloats(7 * 20, 2)];
    const arrays = { left, right, sum: new Float32Array(7 * 20) };
    const { sum } = await compute(device, add, { width: 20 }, caseBatch([7]).shape, arrays);
    return [{ actual: sum, expected: left.map((value, i) => value + right[i]), tolerance: 1e-6 }];
  },
};

function addedNormCase(hidden: number): KernelCase {
  return {
    kernel: "residual_norm, backward_norm",
    name: `5 rows of ${hidden}`,
    async run(device) {
      const { shape } = caseBatch([5]);
      const [residual, output, dx, before] = [1, 3, 4, 5].map((seed) => randomFloats(5 * hidden, seed));
      const weight = randomFloats(hidden, 2);
      const facts = { hidden, eps: EPS };
      const empty = { sum: new Float32Array(5 * hidden), x: new Float32Array(5 * hidden) };
      const arrays = { residual, output, weight, ...empty };
      const forward = await compute(device, residualNorm, { ...facts, form: "add" }, shape, arrays);
      const sum = residual.map((value, i) => value + output[i]);
      const given = { residual, weight, dx, d_residual: before };
      const backward = await compute(device, backwardNorm, { ...facts, gather: false }, shape, given);
      const gained = backward.d_residual.map((value, i) => value - before[i]);
      return [
        { actual: forward.sum, expected: sum, tolerance: 1e-6 },
        { actual: forward.x, expected: rmsNorm(sum, weight, EPS), tolerance: TOLERANCE },
        compareGradient(gained, (at) => inner(rmsNorm(at, weight, EPS), dx), residual),
      ];
    },
  };
}

/** Rows of three tokens; the last of them has no weight. */
function gatheredNormCase(hidden: number): KernelCase {
  return {
    kernel: "residual_norm, backward_norm",
    name: `3 gathered rows of ${hidden}`,
    async run(device) {
      const { shape } = caseBatch([6], 3);
      const [one, chosen] = [bitsOf([1])[0], [4, 1, 0]];
      const rows = Uint32Array.from(chosen.flatMap((token, r) => [token, 0, r < 2 ? one : 0, 0]));
      const [residual, weight, dx] = [
        randomFloats(6 * hidden, 1),
        randomFloats(hidden, 2),
        randomFloats(3 * hidden, 4),
      ];
      const facts = { hidden, eps: EPS };
      const arrays = { rows, residual, weight, x: new Float32Array(3 * hidden) };
      const forward = await compute(device, residualNorm, { ...facts, form: "gather" }, shape, arrays);
      const given = { rows, residual, weight, dx, d_residual: new Float32Array(6 * hidden) };
      const backward = await compute(device, backwardNorm, { ...facts, gather: true }, shape, given);
      const gathered = (at: ArrayLike<number>, count: number) =>
        Float64Array.from(
          { length: count * hidden },
          (_, i) => at[chosen[Math.floor(i / hidden)] * hidden + (i % hidden)],
        );
      const f = (at: Float64Array) => inner(rmsNorm(gathered(at, 2), weight, EPS), dx);
      return [
        { actual: forward.x, expected: rmsNorm(gathered(residual, 3), weight, EPS), tolerance: TOLERANCE },
        compareGradient(backward.d_residual, f, residual),
      ];
    },
  };
}

const swigluCase: KernelCase = {
  kernel: "backward_swiglu",
  name: "7 tokens",
  async run(device) {
    const ffn = 20;
    const gate_up = randomFloats(7 * 2 * ffn, 1).map((value) => 4 * value);
    const dy = randomFloats(7 * ffn, 2);
    const found = await compute(device, backwardSwiglu, { ffn }, caseBatch([7]).shape, { dy, gate_up });
    const half = (at: ArrayLike<number>, offset: number) => strip(at, 2 * ffn, offset, ffn);
    return [compareGradient(found.gate_up, (at) => inner(swiglu(half(at, 0), half(at, ffn)), dy), gate_up)];
  },
};

const crossEntropyCase: KernelCase = {
  kernel: "cross_entropy",
  name: "3 rows of 131 logits",
  async run(device): Promise<Compared[]> {
    const vocab = 131;
    const weights = [0.25, 0, 1.5];
    const targets = [0, 7, 130];
    const logits = randomFloats(3 * vocab, 1).map((value) => 9 * value);
    const rows = Uint32Array.from(targets.flatMap((target, r) => [r, target, bitsOf(weights)[r], 0]));
    const arrays = { rows, logits, losses: new Float32Array(3) };
    const found = await compute(device, crossEntropy, { vocab, rows: 3 }, caseBatch([3]).shape, arrays);
    const nll = (at: Float64Array) =>
      targets.map((target, r) => -logSoftmax(at.slice(r * vocab, (r + 1) * vocab))[target]);
    return [
      { actual: found.losses, expected: nll(Float64Array.from(logits)), tolerance: TOLERANCE },
      compareGradient(found.logits, (at) => inner(nll(at), weights), logits, { samples: 400 }),
    ];
  },
};
