// A model's own experts: which of them a token takes, their order, their products, their sum.

import { chooseExperts } from "../../../shaders/experts/choose_experts.ts";
import { linearExperts } from "../../../shaders/experts/linear_experts.ts";
import { sortExperts } from "../../../shaders/experts/sort_experts.ts";
import { sumExperts } from "../../../shaders/experts/sum_experts.ts";
import { traceExperts } from "../../../shaders/experts/trace_experts.ts";
import { LOGIT_ROW } from "../../../shaders/step.ts";
import type { KernelCase } from "../case.ts";
import { compute, stepShape } from "../compute.ts";
import { randomFloats } from "../random.ts";
import { linearReference } from "../reference/linear.ts";
import { caseWeights, WEIGHT_TYPES, type WeightType, wholeColumns } from "./weights.ts";

const EXPERTS = 5;
const USED = 3;
const TOLERANCE = 1e-5;
const TOKENS = [1, 7, 33];

/** The expert of slot k of token t: spread, one that all take, one that a single token takes. */
const SKEWS: Record<string, (t: number, k: number) => number> = {
  spread: (t, k) => (2 * t + k) % EXPERTS,
  "one for all": (_, k) => k + 1,
  "the last for one token": (t, k) => (t === 0 && k === 0 ? EXPERTS - 1 : k),
};

export function expertCases(): KernelCase[] {
  const skews = Object.keys(SKEWS).flatMap((skew) => TOKENS.map((tokens) => ({ skew, tokens })));
  return [
    ...[true, false].flatMap((normalised) => TOKENS.map((tokens) => chooseCase(normalised, tokens))),
    ...skews.map(({ skew, tokens }) => sortCase(skew, tokens)),
    ...WEIGHT_TYPES.flatMap((type) => skews.map(({ skew, tokens }) => linearCase(type, skew, tokens))),
    ...[8, 260].map(sumCase),
    ...[1, 7, 80].map(traceCase),
  ];
}

function chooseCase(normalised: boolean, tokens: number): KernelCase {
  return {
    kernel: "choose_experts",
    name: `${tokens} tokens, ${normalised ? "shares of those taken" : "softmax over all"}`,
    async run(device) {
      const logits = randomFloats(tokens * EXPERTS, 3).map((value) => 4 * value);
      logits[1] = logits[3] = 9; // Equal: the lower index first.
      const arrays = { logits, chosen: new Uint32Array(tokens * USED), weights: new Float32Array(tokens * USED) };
      const facts = { experts: EXPERTS, used: USED, normalised };
      const { chosen, weights } = await compute(device, chooseExperts, facts, stepShape({ tokens }), arrays);
      const expected = Array.from({ length: tokens }, (_, t) =>
        likeliest([...logits.subarray(t * EXPERTS, (t + 1) * EXPERTS)], normalised),
      );
      return [
        same(
          chosen,
          expected.flatMap(({ order }) => order),
        ),
        { actual: weights, expected: expected.flatMap(({ shares }) => shares), tolerance: TOLERANCE },
      ];
    },
  };
}

function likeliest(logits: number[], normalised: boolean): { order: number[]; shares: number[] } {
  const order = logits.map((_, e) => e).sort((a, b) => logits[b] - logits[a] || a - b);
  const taken = order.slice(0, USED);
  const sum = (normalised ? taken : order).reduce((all, e) => all + Math.exp(logits[e]), 0);
  return { order: taken, shares: taken.map((e) => Math.exp(logits[e]) / sum) };
}

function sortCase(skew: string, tokens: number): KernelCase {
  return {
    kernel: "sort_experts",
    name: `${tokens} tokens, ${skew}`,
    async run(device) {
      const { chosen, order, bounds } = sorted(skew, tokens);
      const arrays = { chosen, order: new Uint32Array(order.length), bounds: new Uint32Array(bounds.length) };
      const found = await compute(device, sortExperts, { experts: EXPERTS, used: USED }, stepShape({ tokens }), arrays);
      return [same(found.order, order), same(found.bounds, bounds)];
    },
  };
}

/** Slots' experts, the slots in their order, and where each expert's begin. */
function sorted(skew: string, tokens: number) {
  const of = SKEWS[skew];
  const chosen = Uint32Array.from({ length: tokens * USED }, (_, slot) => of(Math.floor(slot / USED), slot % USED));
  const order = Uint32Array.from([...chosen.keys()].sort((a, b) => chosen[a] - chosen[b] || a - b));
  const bounds = Uint32Array.from({ length: EXPERTS + 1 }, (_, e) => chosen.filter((expert) => expert < e).length);
  return { chosen, order, bounds };
}

/** In turn, one row of x for a token, as for the first matrices of experts, and one for a slot, as for the last. */
function linearCase(type: WeightType, skew: string, tokens: number): KernelCase {
  const [rows, cols] = [24, wholeColumns(type, 96)];
  const per = skew === "spread" ? "tokens" : "slots";
  return {
    kernel: "linear_experts",
    name: `${type}, ${tokens} tokens, ${skew}`,
    async run(device) {
      const { format, views, values } = await caseWeights(device, type, [EXPERTS * rows, cols], 1);
      const { chosen, order, bounds } = sorted(skew, tokens);
      const x = randomFloats(tokens * (per === "tokens" ? 1 : USED) * cols, 7);
      const arrays = { x, y: new Float32Array(chosen.length * rows), chosen, order, bounds };
      const facts = { format, rows, cols, first: 0, count: EXPERTS, used: USED, per } as const;
      const more = { views, cpu: { bounds: "read" } } as const;
      const { y } = await compute(device, linearExperts, facts, stepShape({ tokens }), arrays, more);
      const products = [...chosen].map((expert, slot) => {
        const row = per === "tokens" ? Math.floor(slot / USED) : slot;
        const matrix = values.subarray(expert * rows * cols, (expert + 1) * rows * cols);
        return linearReference(matrix, x.subarray(row * cols, (row + 1) * cols), rows, cols, 1);
      });
      const expected = products.flatMap((product) => [...product.y]);
      const scale = products.flatMap(({ magnitude }) => [...magnitude]);
      return [{ actual: y, expected, tolerance: TOLERANCE, scale }];
    },
  };
}

/** Choices of all layers; the rows' tokens in no order. */
function traceCase(tokens: number): KernelCase {
  const layers = 5;
  return {
    kernel: "trace_experts",
    name: `${tokens} tokens`,
    async run(device) {
      const stride = tokens * USED + 6;
      const chosen = new Uint32Array(layers * stride).map((_, i) => i);
      const weights = Float32Array.from(chosen, (i) => i / 4);
      const wanted = Array.from({ length: Math.min(tokens, 9) }, (_, r) => (tokens - 1 + 3 * r) % tokens);
      const rows = new Uint32Array(wanted.length * LOGIT_ROW.words).fill(9999);
      for (const [r, token] of wanted.entries()) rows[r * LOGIT_ROW.words] = token;
      const arrays = { rows, chosen, weights, trace: new Uint32Array(wanted.length * layers * USED * 2) };
      const shape = stepShape({ tokens, sequences: 1, rows: wanted.length });
      const found = await compute(device, traceExperts, { layers, stride, used: USED }, shape, arrays);
      const words = new Uint32Array(found.trace.buffer, found.trace.byteOffset, found.trace.length);
      const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
      const expected = wanted.flatMap((token) =>
        Array.from({ length: layers * USED }, (_, i) => Math.floor(i / USED) * stride + token * USED + (i % USED)),
      );
      const half = (from: 0 | 1) => (_: unknown, i: number) => i % 2 === from;
      return [
        { actual: words.filter(half(0)), expected, tolerance: 1e-9 },
        { actual: floats.filter(half(1)), expected: expected.map((i) => i / 4), tolerance: 1e-9 },
      ];
    },
  };
}

function sumCase(hidden: number): KernelCase {
  const tokens = 9;
  return {
    kernel: "sum_experts",
    name: `${tokens} rows of ${hidden}`,
    async run(device) {
      const parts = randomFloats(tokens * USED * hidden, 1);
      const weights = randomFloats(tokens * USED, 2);
      const arrays = { parts, weights, output: new Float32Array(tokens * hidden) };
      const { output } = await compute(device, sumExperts, { hidden, used: USED }, stepShape({ tokens }), arrays);
      const expected = Array.from({ length: tokens * hidden }, (_, n) => {
        const [t, i] = [Math.floor(n / hidden), n % hidden];
        return [0, 1, 2].reduce((sum, k) => sum + weights[t * USED + k] * parts[(t * USED + k) * hidden + i], 0);
      });
      return [{ actual: output, expected, tolerance: TOLERANCE }];
    },
  };
}

/** Words that must be equal. */
function same(found: Float32Array<ArrayBuffer>, expected: ArrayLike<number>) {
  const actual = new Uint32Array(found.buffer, found.byteOffset, found.length);
  return { actual, expected, tolerance: 1e-9 };
}
