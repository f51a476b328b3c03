// Training's kernels of routers: gates, beliefs, their losses, and the gradients of all of them.

import type { GateRule } from "../../../router/mixture.ts";
import { backwardBelief } from "../../../shaders/training/backward_belief.ts";
import { backwardChoose } from "../../../shaders/training/backward_choose.ts";
import { backwardRouterZ } from "../../../shaders/training/backward_router_z.ts";
import { belief } from "../../../shaders/training/belief.ts";
import { choose } from "../../../shaders/training/choose.ts";
import { expertLoad } from "../../../shaders/training/expert_load.ts";
import { labelLoss } from "../../../shaders/training/label_loss.ts";
import type { KernelCase } from "../case.ts";
import { compute } from "../compute.ts";
import { compareGradient, inner } from "../gradient.ts";
import { randomFloats } from "../random.ts";
import { beliefFilter } from "../reference/belief_filter.ts";
import { labelLoss as labelLossReference } from "../reference/label_loss.ts";
import { logSumExp, softmax } from "../reference/softmax.ts";
import { topKGates } from "../reference/top_k_gates.ts";
import { caseBatch, strip } from "./sequences.ts";

const TOLERANCE = 2e-5;
const LENGTHS = [1, 7, 40, 2];
const TOKENS = LENGTHS.reduce((sum, length) => sum + length, 0);

const RULES: GateRule[] = [
  { topK: 1, gate: "unit", temperature: 1 },
  { topK: 2, gate: "unit", temperature: 0.7 },
  { topK: 2, gate: "softmax", temperature: 0.7 },
  { topK: 1, gate: "softmax", temperature: 1 },
];

export function trainingRouterCases(): KernelCase[] {
  return [
    ...[1, 3, 6].map(beliefCase),
    ...RULES.map(chooseCase),
    routerZCase,
    ...[2, 3, 7].flatMap((experts) => [true, false].map((believes) => labelLossCase(experts, believes))),
  ];
}

/** `part` of every sequence's rows, which are `stride` values long, joined. */
function bySequence(
  values: ArrayLike<number>,
  stride: number,
  part: (rows: Float64Array, first: number) => Float64Array,
): Float64Array {
  const all = Float64Array.from(values);
  let first = 0;
  return Float64Array.from(
    LENGTHS.flatMap((length) => {
      const from = first;
      first += length;
      return [...part(all.subarray(from * stride, (from + length) * stride), from)];
    }),
  );
}

function beliefCase(experts: number): KernelCase {
  return {
    kernel: "belief, backward_belief",
    name: `${experts} experts`,
    async run(device) {
      const stride = 8;
      const { shape, sequences } = caseBatch(LENGTHS);
      const z = randomFloats(TOKENS * stride, 1).map((value) => 3 * value);
      const filter = (at: ArrayLike<number>) =>
        bySequence(at, stride, (rows) => beliefFilter(strip(rows, stride, 0, experts + 1), experts));
      const facts = { experts, stride };
      const read = { sequences, z };
      const logits = new Float32Array(TOKENS * experts);
      const forward = await compute(device, belief, facts, shape, { ...read, logits });
      const d_logits = randomFloats(TOKENS * experts, 2);
      const given = { ...read, ...forward, d_logits, dz: randomFloats(TOKENS * stride, 3) };
      const backward = await compute(device, backwardBelief, facts, shape, given);
      const scale = Array.from(logits, () => 5);
      return [
        { actual: forward.logits, expected: filter(z), tolerance: TOLERANCE, scale },
        compareGradient(backward.dz, (at) => inner(filter(at), d_logits), z, { tolerance: 1e-4 }),
      ];
    },
  };
}

function chooseCase(rule: GateRule): KernelCase {
  const [experts, tokens, stride, balance] = [5, 9, 8, 0.3];
  return {
    kernel: "choose, expert_load, backward_choose",
    name: `${rule.gate}, top ${rule.topK}`,
    async run(device) {
      const { shape } = caseBatch([tokens]);
      const logits = randomFloats(tokens * stride, 1).map((value) => 2 * value);
      // Ties
      logits.set([1, 1, 0.5, 1, -2], 0);
      const own = (at: ArrayLike<number>) => strip(at, stride, 0, experts);
      const empty = { p: new Float32Array(tokens * experts), gates: new Float32Array(tokens * experts) };
      const facts = { experts, stride, rule };
      const forward = await compute(device, choose, facts, shape, { logits, ...empty });
      const { gates, kept } = topKGates(own(logits), experts, rule);
      const shares = (at: ArrayLike<number>) => {
        const rows = own(at).map((value) => value / rule.temperature);
        return Array.from({ length: tokens }, (_, t) => softmax(rows.slice(t * experts, (t + 1) * experts)));
      };
      const chosen = (e: number) => kept.flat().filter((k) => k === e).length / (tokens * rule.topK);
      const frequency = Array.from({ length: experts }, (_, e) => chosen(e));
      const mean = (at: ArrayLike<number>) =>
        frequency.map((_, e) => shares(at).reduce((sum, p) => sum + p[e], 0) / tokens);
      const load = new Float32Array(2 * experts);
      const loads = await compute(device, expertLoad, { experts, topK: rule.topK }, shape, { ...forward, load });
      const [d_gates, d_logits] = [randomFloats(tokens * experts, 2), randomFloats(tokens * stride, 3)];
      const whole = Uint32Array.of(3 * tokens, 0, 0, 0);
      const given = { whole, ...forward, ...loads, d_gates, d_logits };
      const backward = await compute(device, backwardChoose, { ...facts, balance }, shape, given);
      // What unit gates stand for: the gradient of the same sum with p in their place. Which are kept stays as it is.
      const soft = (at: ArrayLike<number>) =>
        shares(at).flatMap((p, t) => {
          const total = kept[t].reduce((sum, e) => sum + p[e], 0);
          return [...p].map((share, e) => (rule.gate === "unit" ? share : kept[t].includes(e) ? share / total : 0));
        });
      const loss = (at: Float64Array) =>
        inner(soft(at), d_gates) + (balance / 3) * experts * inner(frequency, mean(at));
      return [
        { actual: forward.gates, expected: gates, tolerance: TOLERANCE },
        {
          actual: loads.load,
          expected: mean(logits).flatMap((share, e) => [frequency[e], share]),
          tolerance: TOLERANCE,
        },
        compareGradient(backward.d_logits, loss, logits),
      ];
    },
  };
}

const routerZCase: KernelCase = {
  kernel: "backward_router_z",
  name: "5 tokens",
  async run(device) {
    const [experts, stride, tokens, weight] = [3, 4, 5, 0.2];
    const z = randomFloats(tokens * stride, 1).map((value) => 3 * value);
    const before = randomFloats(tokens * stride, 2);
    const arrays = { whole: Uint32Array.of(2 * tokens, 0, 0, 0), z, dz: before };
    const { dz } = await compute(
      device,
      backwardRouterZ,
      { experts, stride, weight },
      caseBatch([tokens]).shape,
      arrays,
    );
    const loss = (at: Float64Array) => {
      let sum = 0;
      for (let t = 0; t < tokens; t++) sum += logSumExp(at.slice(t * stride, t * stride + experts)) ** 2;
      return (weight * sum) / (2 * tokens);
    };
    const gained = dz.map((value, i) => value - before[i]);
    return [compareGradient(gained, loss, z)];
  },
};

function labelLossCase(experts: number, believes: boolean): KernelCase {
  return {
    kernel: "label_loss",
    name: `${experts} experts, ${believes ? "belief" : "memoryless"}`,
    async run(device) {
      const outputs = experts + (believes ? 1 : 0);
      const stride = 4 * Math.ceil(outputs / 4);
      const { shape, sequences } = caseBatch(LENGTHS);
      const z = randomFloats(TOKENS * outputs, experts).map((value) => 3 * value);
      // One expert a token, weights of several sizes, some tokens without any.
      const targets = new Float32Array(TOKENS * experts);
      for (let t = 0; t < TOKENS; t++)
        if (t % 5 !== 3) targets[t * experts + ((t * 7) % experts)] = 0.25 * (1 + (t % 3));
      const arrays = {
        sequences,
        targets,
        evidence: evidenceOf(z, experts, believes),
        dz: new Float32Array(TOKENS * stride),
        report: new Float32Array(LENGTHS.length * 4),
      };
      const found = await compute(device, labelLoss, { experts, stride, belief: believes }, shape, arrays);
      const losses = (at: ArrayLike<number>) =>
        bySequence(at, outputs, (rows, first) => {
          const own = targets.subarray(first * experts, (first + rows.length / outputs) * experts);
          return Float64Array.of(labelLossReference(rows, own, experts, believes));
        });
      const gradient = strip(found.dz, stride, 0, outputs);
      const total = (at: Float64Array) => losses(at).reduce((sum, loss) => sum + loss, 0);
      return [
        { actual: LENGTHS.map((_, s) => found.report[4 * s]), expected: losses(z), tolerance: 1e-4 },
        compareGradient(gradient, total, z, { tolerance: 5e-5 }),
      ];
    },
  };
}

/** What route leaves: beliefs as logarithms and the switch's logit, or z as it is; experts + 1 values a token. */
function evidenceOf(z: Float32Array, experts: number, believes: boolean): Float32Array<ArrayBuffer> {
  const outputs = experts + (believes ? 1 : 0);
  const logs = believes ? bySequence(z, outputs, (rows) => beliefFilter(rows, experts)) : z;
  return Float32Array.from({ length: TOKENS * (experts + 1) }, (_, i) => {
    const [t, e] = [Math.floor(i / (experts + 1)), i % (experts + 1)];
    if (e < experts) return logs[t * experts + e];
    return believes ? z[t * outputs + experts] : 0;
  });
}
