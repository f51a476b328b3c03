// Backward kernels of LoRA and of the router, against float64: finite differences where there is a gradient.

import { beliefFilter } from "../../../cli/check/reference/belief_filter.ts";
import { linear } from "../../../cli/check/reference/linear.ts";
import { logSumExp, softmax } from "../../../cli/check/reference/softmax.ts";
import { silu as siluReference } from "../../../cli/check/reference/swiglu.ts";
import { topKGates } from "../../../cli/check/reference/top_k_gates.ts";
import type { GateRule } from "../../../router/mixture.ts";
import { backwardBelief } from "../../../shaders/training/backward_belief.ts";
import { backwardBias } from "../../../shaders/training/backward_bias.ts";
import { backwardChoose } from "../../../shaders/training/backward_choose.ts";
import { backwardLoraGate } from "../../../shaders/training/backward_lora_gate.ts";
import { backwardRouterZ } from "../../../shaders/training/backward_router_z.ts";
import { backwardSilu } from "../../../shaders/training/backward_silu.ts";
import { backwardWeight } from "../../../shaders/training/backward_weight.ts";
import { belief } from "../../../shaders/training/belief.ts";
import { choose } from "../../../shaders/training/choose.ts";
import { expertLoad } from "../../../shaders/training/expert_load.ts";
import { loraGate } from "../../../shaders/training/lora_gate.ts";
import { project } from "../../../shaders/training/project.ts";
import { projectBack } from "../../../shaders/training/project_back.ts";
import { silu } from "../../../shaders/training/silu.ts";
import { checkClose, onEachDevice, randomFloats } from "../device.ts";
import { caseBatch, checkGradient, inner, runKernel } from "../kernel_case.ts";

const TOLERANCE = 2e-5;

onEachDevice("a small matrix: forward from a strip, its gradients for weight and bias", async (device) => {
  const [rows, cols] = [12, 20];
  const strip = { stride: 32, offset: 8 };
  const inStrip = (i: number) => i % 32 >= 8 && i % 32 < 8 + cols;
  for (const tokens of [1, 6, 13]) {
    const { shape, step } = caseBatch([tokens]);
    const weight = randomFloats(rows * cols, 1);
    const bias = randomFloats(rows, 2);
    const x = randomFloats(tokens * strip.stride, 3);
    const own = Float64Array.from({ length: tokens * cols }, (_, i) => x[Math.floor(i / cols) * 32 + 8 + (i % cols)]);
    const y = new Float32Array(tokens * rows);
    const forward = await runKernel(device, project, { rows, cols, x: strip, bias: true }, shape, {
      step,
      weight,
      bias,
      x,
      y,
    });
    const expected = (w: ArrayLike<number>, b: ArrayLike<number>) =>
      linear(own, Float64Array.from(w), tokens, cols, rows).map((value, i) => value + b[i % rows]);
    checkClose(forward.y, expected(weight, bias), TOLERANCE);

    const u = randomFloats(tokens * rows, 4);
    const facts = { rows, cols, x: strip };
    const dw = new Float32Array(rows * cols);
    const byWeight = await runKernel(device, backwardWeight, facts, shape, { step, u, x, dw });
    checkGradient(byWeight.dw, (at) => inner(expected(at, bias), u), weight, { h: 1e-3 });
    const byBias = await runKernel(device, backwardBias, { rows }, shape, {
      step,
      dy: u,
      db: new Float32Array(rows),
    });
    checkGradient(byBias.db, (at) => inner(expected(weight, at), u), bias, { h: 1e-3 });

    for (const add of [true, false]) {
      const before = randomFloats(x.length, 5);
      const back = { rows, cols, dx: strip, add };
      const byInput = await runKernel(device, projectBack, back, shape, { step, weight, dy: u, dx: before.slice() });
      const gained = byInput.dx.map((value, i) => value - (add || !inStrip(i) ? before[i] : 0));
      const all = (at: ArrayLike<number>) =>
        linear(
          Float64Array.from({ length: tokens * cols }, (_, i) => at[Math.floor(i / cols) * 32 + 8 + (i % cols)]),
          weight,
          tokens,
          cols,
          rows,
        );
      checkGradient(gained, (at) => inner(all(at), u), x, { h: 1e-3 });
    }
  }
});

onEachDevice("gates on the ranks of several experts, and their gradients", async (device) => {
  const owners = [0, 0, 2, 2, 2, 3, 0, 0];
  const scales = [2, 2, 0.5, 0.5, 0.5, 1, 0, 0];
  const [experts, tokens, ranks] = [4, 5, 8];
  const { shape, step } = caseBatch([tokens]);
  const table = Float32Array.from(owners.flatMap((owner, r) => [owner, scales[r]]));
  const gates = randomFloats(tokens * experts, 1);
  const hidden = randomFloats(tokens * ranks, 2);
  const f = (g: ArrayLike<number>, h: ArrayLike<number>) =>
    Float64Array.from({ length: tokens * ranks }, (_, i) => {
      const r = i % ranks;
      return g[Math.floor(i / ranks) * experts + owners[r]] * scales[r] * h[i];
    });
  const facts = { ranks, experts };
  const read = { step, owners: table, gates, hidden };
  const gated = new Float32Array(tokens * ranks);
  const forward = await runKernel(device, loraGate, facts, shape, { ...read, gated });
  checkClose(forward.gated, f(gates, hidden), TOLERANCE);
  const d = randomFloats(tokens * ranks, 3);
  const d_gates = new Float32Array(tokens * experts);
  const backward = await runKernel(device, backwardLoraGate, facts, shape, { ...read, d, d_gates });
  checkGradient(backward.d_gates, (at) => inner(f(at, hidden), d), gates);
  checkGradient(backward.d, (at) => inner(f(gates, at), d), hidden);
});

onEachDevice("SiLU of a router's hidden layer and its gradient", async (device) => {
  const { shape, step } = caseBatch([3]);
  const x = randomFloats(3 * 12, 1).map((value) => 5 * value);
  const dy = randomFloats(3 * 12, 2);
  const y = new Float32Array(36);
  const forward = await runKernel(device, silu, { width: 12 }, shape, { step, x, y });
  checkClose(forward.y, Float64Array.from(x, siluReference), TOLERANCE);
  const backward = await runKernel(device, backwardSilu, { width: 12 }, shape, { step, x, dy });
  checkGradient(backward.dy, (at) => inner(at.map(siluReference), dy), x);
});

for (const experts of [1, 3, 6]) {
  onEachDevice(`the belief filter of ${experts} experts over ragged sequences, and its gradient`, async (device) => {
    const stride = 8;
    const lengths = [5, 1, 12];
    const { shape, step, sequences } = caseBatch(lengths);
    const z = randomFloats(shape.tokens * stride, 1).map((value) => 3 * value);
    const filter = (at: ArrayLike<number>) => {
      let first = 0;
      return Float64Array.from(
        lengths.flatMap((length) => {
          const rows = Array.from({ length }, (_, t) =>
            Array.from({ length: experts + 1 }, (_, e) => at[(first + t) * stride + e]),
          );
          first += length;
          return [...beliefFilter(rows.flat(), experts)];
        }),
      );
    };
    const facts = { experts, stride };
    const logits = new Float32Array(shape.tokens * experts);
    const read = { step, sequences, z };
    const forward = await runKernel(device, belief, facts, shape, { ...read, logits });
    const scale = new Float64Array(logits.length).fill(5);
    checkClose(forward.logits, filter(z), TOLERANCE, scale);
    const d_logits = randomFloats(shape.tokens * experts, 2);
    const dz = randomFloats(shape.tokens * stride, 3);
    const backward = await runKernel(device, backwardBelief, facts, shape, {
      ...read,
      ...forward,
      d_logits,
      dz,
    });
    checkGradient(backward.dz, (at) => inner(filter(at), d_logits), z, { tolerance: 1e-4 });
  });
}

const RULES: GateRule[] = [
  { topK: 1, gate: "unit", temperature: 1 },
  { topK: 2, gate: "unit", temperature: 0.7 },
  { topK: 2, gate: "softmax", temperature: 0.7 },
  { topK: 1, gate: "softmax", temperature: 1 },
];

for (const rule of RULES) {
  onEachDevice(
    `gates by ${rule.gate}, top ${rule.topK}: forward, load, gradient with the balancing loss`,
    async (device) => {
      const [experts, tokens, stride, balance] = [5, 9, 8, 0.3];
      const { shape, step } = caseBatch([tokens]);
      const logits = randomFloats(tokens * stride, 1).map((value) => 2 * value);
      logits.set([1, 1, 0.5, 1, -2], 0);
      const own = (at: ArrayLike<number>) =>
        Float64Array.from({ length: tokens * experts }, (_, i) => at[Math.floor(i / experts) * stride + (i % experts)]);
      const empty = { p: new Float32Array(tokens * experts), gates: new Float32Array(tokens * experts) };
      const facts = { experts, stride, rule };
      const forward = await runKernel(device, choose, facts, shape, { step, logits, ...empty });
      const { gates, kept } = topKGates(own(logits), experts, rule);
      checkClose(forward.gates, gates, TOLERANCE);

      const shares = (at: ArrayLike<number>) => {
        const values = own(at);
        return Array.from({ length: tokens }, (_, t) =>
          softmax(values.slice(t * experts, (t + 1) * experts).map((value) => value / rule.temperature)),
        );
      };
      const f = Array.from(
        { length: experts },
        (_, e) => kept.flat().filter((k) => k === e).length / (tokens * rule.topK),
      );
      const mean = (at: ArrayLike<number>) => f.map((_, e) => shares(at).reduce((sum, p) => sum + p[e], 0) / tokens);
      const loads = await runKernel(device, expertLoad, { experts, topK: rule.topK }, shape, {
        step,
        ...forward,
        load: new Float32Array(2 * experts),
      });
      checkClose(
        loads.load,
        mean(logits).flatMap((share, e) => [f[e], share]),
        TOLERANCE,
      );

      const d_gates = randomFloats(tokens * experts, 2);
      const d_logits = randomFloats(tokens * stride, 3);
      const backward = await runKernel(device, backwardChoose, { ...facts, balance }, shape, {
        step,
        whole: Uint32Array.of(3 * tokens, 0, 0, 0),
        ...forward,
        ...loads,
        d_gates,
        d_logits,
      });
      // What unit gates stand for: the gradient of the same sum with p in their place. Which are kept stays as it is.
      const soft = (at: ArrayLike<number>) =>
        Float64Array.from(
          shares(at).flatMap((p, t) => {
            const total = kept[t].reduce((sum, e) => sum + p[e], 0);
            return [...p].map((share, e) => (rule.gate === "unit" ? share : kept[t].includes(e) ? share / total : 0));
          }),
        );
      const loss = (at: Float64Array) => inner(soft(at), d_gates) + (balance / 3) * experts * inner(f, mean(at));
      checkGradient(backward.d_logits, loss, logits);
    },
  );
}

onEachDevice("the router z-loss adds its gradient", async (device) => {
  const [experts, stride, tokens, weight] = [3, 4, 5, 0.2];
  const { shape, step } = caseBatch([tokens]);
  const z = randomFloats(tokens * stride, 1).map((value) => 3 * value);
  const before = randomFloats(tokens * stride, 2);
  const { dz } = await runKernel(device, backwardRouterZ, { experts, stride, weight }, shape, {
    step,
    whole: Uint32Array.of(2 * tokens, 0, 0, 0),
    z,
    dz: before.slice(),
  });
  const loss = (at: Float64Array) => {
    let sum = 0;
    for (let t = 0; t < tokens; t++) sum += logSumExp(at.slice(t * stride, t * stride + experts)) ** 2;
    return (weight * sum) / (2 * tokens);
  };
  checkGradient(
    dz.map((value, i) => value - before[i]),
    loss,
    z,
  );
});
