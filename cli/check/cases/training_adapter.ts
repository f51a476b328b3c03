// Training's kernels of adapters and small matrices, and the optimizer's.

import { wordBuffer } from "../../../shaders/struct.ts";
import { adamw, RULE } from "../../../shaders/training/adamw.ts";
import { anchor } from "../../../shaders/training/anchor.ts";
import { backwardBias } from "../../../shaders/training/backward_bias.ts";
import { backwardLoraGate } from "../../../shaders/training/backward_lora_gate.ts";
import { backwardSilu } from "../../../shaders/training/backward_silu.ts";
import { backwardWeight } from "../../../shaders/training/backward_weight.ts";
import { loraGate } from "../../../shaders/training/lora_gate.ts";
import { project } from "../../../shaders/training/project.ts";
import { projectBack } from "../../../shaders/training/project_back.ts";
import { silu } from "../../../shaders/training/silu.ts";
import { PARTIALS, squares } from "../../../shaders/training/squares.ts";
import type { KernelCase } from "../case.ts";
import { compute } from "../compute.ts";
import { compareGradient, inner } from "../gradient.ts";
import { randomFloats } from "../random.ts";
import { linear } from "../reference/linear.ts";
import { silu as siluReference } from "../reference/swiglu.ts";
import { caseBatch, strip } from "./sequences.ts";

const TOLERANCE = 2e-5;

export function trainingAdapterCases(): KernelCase[] {
  return [
    ...[1, 6, 13].map(matrixCase),
    ...[true, false].map(projectBackCase),
    loraGateCase,
    siluCase,
    ...[4, 1028].map(adamwCase),
    ...[4, 5000].map(squaresCase),
    ...[4, 5000].map(anchorCase),
  ];
}

/** From a strip of x: the product with bias, the gradients for both. */
function matrixCase(tokens: number): KernelCase {
  const [rows, cols] = [12, 20];
  const x = { stride: 32, offset: 8 };
  return {
    kernel: "project, backward_weight, backward_bias",
    name: `${tokens} tokens`,
    async run(device) {
      const { shape } = caseBatch([tokens]);
      const [weight, bias] = [randomFloats(rows * cols, 1), randomFloats(rows, 2)];
      const [values, u] = [randomFloats(tokens * x.stride, 3), randomFloats(tokens * rows, 4)];
      const own = strip(values, x.stride, x.offset, cols);
      const expected = (w: ArrayLike<number>, b: ArrayLike<number>) =>
        linear(own, Float64Array.from(w), tokens, cols, rows).map((value, i) => value + b[i % rows]);
      const arrays = { weight, bias, x: values, y: new Float32Array(tokens * rows) };
      const forward = await compute(device, project, { rows, cols, x, bias: true }, shape, arrays);
      const dw = new Float32Array(rows * cols);
      const byWeight = await compute(device, backwardWeight, { rows, cols, x }, shape, { u, x: values, dw });
      const byBias = await compute(device, backwardBias, { rows }, shape, { dy: u, db: new Float32Array(rows) });
      return [
        { actual: forward.y, expected: expected(weight, bias), tolerance: TOLERANCE },
        compareGradient(byWeight.dw, (at) => inner(expected(at, bias), u), weight, { h: 1e-3 }),
        compareGradient(byBias.db, (at) => inner(expected(weight, at), u), bias, { h: 1e-3 }),
      ];
    },
  };
}

/** Into a strip of dx, which is added to or overwritten; what stands beside the strip stays. */
function projectBackCase(add: boolean): KernelCase {
  const [rows, cols, tokens] = [12, 20, 6];
  const dx = { stride: 32, offset: 8 };
  return {
    kernel: "project_back",
    name: add ? "added" : "overwritten",
    async run(device) {
      const [weight, dy] = [randomFloats(rows * cols, 1), randomFloats(tokens * rows, 4)];
      const before = randomFloats(tokens * dx.stride, 5);
      const arrays = { weight, dy, dx: before };
      const found = await compute(device, projectBack, { rows, cols, dx, add }, caseBatch([tokens]).shape, arrays);
      const inStrip = (i: number) => i % dx.stride >= dx.offset && i % dx.stride < dx.offset + cols;
      const gained = found.dx.map((value, i) => value - (add || !inStrip(i) ? before[i] : 0));
      const f = (at: Float64Array) =>
        inner(linear(strip(at, dx.stride, dx.offset, cols), weight, tokens, cols, rows), dy);
      return [compareGradient(gained, f, randomFloats(before.length, 7), { h: 1e-3, samples: 200 })];
    },
  };
}

const loraGateCase: KernelCase = {
  kernel: "lora_gate, backward_lora_gate",
  name: "3 experts of 4, 5 tokens",
  async run(device) {
    const owners = [0, 0, 2, 2, 2, 3, 0, 0];
    const scales = [2, 2, 0.5, 0.5, 0.5, 1, 0, 0];
    const [experts, tokens, ranks] = [4, 5, 8];
    const { shape } = caseBatch([tokens]);
    const [gates, hidden] = [randomFloats(tokens * experts, 1), randomFloats(tokens * ranks, 2)];
    const f = (g: ArrayLike<number>, h: ArrayLike<number>) =>
      Float64Array.from({ length: tokens * ranks }, (_, i) => {
        const r = i % ranks;
        return g[Math.floor(i / ranks) * experts + owners[r]] * scales[r] * h[i];
      });
    const facts = { ranks, experts };
    const read = { owners: Float32Array.from(owners.flatMap((owner, r) => [owner, scales[r]])), gates, hidden };
    const empty = { gated: new Float32Array(tokens * ranks) };
    const forward = await compute(device, loraGate, facts, shape, { ...read, ...empty });
    const d = randomFloats(tokens * ranks, 3);
    const given = { ...read, d, d_gates: new Float32Array(tokens * experts) };
    const backward = await compute(device, backwardLoraGate, facts, shape, given);
    return [
      { actual: forward.gated, expected: f(gates, hidden), tolerance: TOLERANCE },
      compareGradient(backward.d_gates, (at) => inner(f(at, hidden), d), gates),
      compareGradient(backward.d, (at) => inner(f(gates, at), d), hidden),
    ];
  },
};

const siluCase: KernelCase = {
  kernel: "silu, backward_silu",
  name: "3 tokens of 12",
  async run(device) {
    const { shape } = caseBatch([3]);
    const x = randomFloats(3 * 12, 1).map((value) => 5 * value);
    const dy = randomFloats(3 * 12, 2);
    const forward = await compute(device, silu, { width: 12 }, shape, { x, y: new Float32Array(36) });
    const backward = await compute(device, backwardSilu, { width: 12 }, shape, { x, dy });
    return [
      { actual: forward.y, expected: Float64Array.from(x, siluReference), tolerance: TOLERANCE },
      compareGradient(backward.dy, (at) => inner(at.map(siluReference), dy), x),
    ];
  },
};

/** The third step, of clipped gradients. */
function adamwCase(count: number): KernelCase {
  return {
    kernel: "adamw",
    name: `${count} parameters`,
    async run(device) {
      const rule = { rate: 2e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01, scale: 0.7 };
      const corrections = { correction1: 1 - rule.beta1 ** 3, correction2: 1 - rule.beta2 ** 3 };
      const target = wordBuffer(RULE.bytes);
      RULE.write(target, 0, { ...rule, ...corrections });
      const [gradients, values, means] = [1, 2, 3].map((seed) => randomFloats(count, seed));
      const seen = randomFloats(count, 4).map((value) => value * value);
      const arrays = { rule: target.words, gradients, values, means, squares: seen };
      const found = await compute<{ count: number }, void>(device, adamw, { count }, undefined, arrays);
      const g = Float64Array.from(gradients, (value) => value * rule.scale);
      const m = g.map((value, i) => rule.beta1 * means[i] + (1 - rule.beta1) * value);
      const v = g.map((value, i) => rule.beta2 * seen[i] + (1 - rule.beta2) * value * value);
      const stepOf = (i: number) =>
        m[i] / corrections.correction1 / (Math.sqrt(v[i] / corrections.correction2) + rule.epsilon);
      const moved = g.map((_, i) => -rule.rate * (rule.decay * values[i] + stepOf(i)));
      // What it moves by is some thousandth of a value, which is rounded to f32.
      const scale = Array.from(moved, () => 1);
      return [
        { actual: found.values, expected: moved.map((by, i) => values[i] + by), tolerance: 2e-6, scale },
        { actual: found.means, expected: m, tolerance: 1e-6 },
        { actual: found.squares, expected: v, tolerance: 1e-6 },
      ];
    },
  };
}

function squaresCase(count: number): KernelCase {
  return {
    kernel: "squares",
    name: `${count} values`,
    async run(device) {
      const values = randomFloats(count, 1);
      const arrays = { values, partials: new Float32Array(PARTIALS) };
      const { partials } = await compute<{ count: number }, void>(device, squares, { count }, undefined, arrays);
      const expected = [values.reduce((sum, value) => sum + value * value, 0)];
      return [{ actual: [partials.reduce((sum, part) => sum + part, 0)], expected, tolerance: TOLERANCE }];
    },
  };
}

/** The gradient it adds against finite differences of the penalty in float64. */
function anchorCase(count: number): KernelCase {
  return {
    kernel: "anchor",
    name: `${count} parameters`,
    async run(device) {
      const strength = 0.37;
      const [values, anchors, before] = [1, 2, 3].map((seed) => randomFloats(count, seed));
      const importance = randomFloats(count, 4).map(Math.abs);
      const arrays = { values, anchors, importance, gradients: before.slice(), partials: new Float32Array(PARTIALS) };
      const facts = { count, strength };
      const found = await compute<typeof facts, void>(device, anchor, facts, undefined, arrays);
      const penalty = (at: Float64Array) =>
        (strength / 2) * at.reduce((sum, value, i) => sum + importance[i] * (value - anchors[i]) ** 2, 0);
      const added = found.gradients.map((value, i) => value - before[i]);
      return [
        compareGradient(added, penalty, values),
        {
          actual: [found.partials.reduce((sum, part) => sum + part, 0)],
          expected: [penalty(Float64Array.from(values))],
          tolerance: TOLERANCE,
        },
      ];
    },
  };
}
