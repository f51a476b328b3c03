// Causal attention over whole sequences and RoPE in place, with their gradients.

import { rotations } from "../../../engine/model/rotations.ts";
import type { HeadFacts } from "../../../shaders/layer/rope_kv.ts";
import { backwardAttentionKeyValue } from "../../../shaders/training/backward_attention_key_value.ts";
import { backwardAttentionQuery } from "../../../shaders/training/backward_attention_query.ts";
import { causalAttention } from "../../../shaders/training/causal_attention.ts";
import { rotate } from "../../../shaders/training/rotate.ts";
import type { KernelCase } from "../case.ts";
import { compute } from "../compute.ts";
import { compareGradient, inner } from "../gradient.ts";
import { randomFloats } from "../random.ts";
import { gqaAttention } from "../reference/gqa_attention.ts";
import { rope, ropeFrequencies } from "../reference/rope.ts";
import { caseBatch } from "./sequences.ts";

const TOLERANCE = 2e-5;
const LENGTHS = [4, 1, 6];
const THETA = 10_000;

const HEADS: HeadFacts[] = [
  { numHeads: 4, numKvHeads: 2, headDim: 8 },
  { numHeads: 3, numKvHeads: 3, headDim: 24 },
  { numHeads: 6, numKvHeads: 1, headDim: 16 },
];

export function attentionCases(): KernelCase[] {
  return HEADS.flatMap((heads) => [attentionCase(heads), rotateCase(heads)]);
}

function nameOf({ numHeads, numKvHeads, headDim }: HeadFacts): string {
  return `${numHeads} heads over ${numKvHeads} of ${headDim}`;
}

function attentionCase(heads: HeadFacts): KernelCase {
  const { numHeads, numKvHeads, headDim } = heads;
  return {
    kernel: "causal_attention and its gradients",
    name: nameOf(heads),
    async run(device) {
      const { shape, tokens, sequences } = caseBatch(LENGTHS);
      const [row, width] = [(numHeads + 2 * numKvHeads) * headDim, numHeads * headDim];
      const qkv = randomFloats(shape.tokens * row, 1).map((value) => 2 * value);
      const read = { tokens, sequences, qkv };
      const empty = (values: number) => new Float32Array(shape.tokens * values);
      const arrays = { ...read, attended: empty(width), lse: empty(numHeads) };
      const forward = await compute(device, causalAttention, heads, shape, arrays);
      const d_attended = randomFloats(shape.tokens * width, 2);
      const given = { ...read, ...forward, d_attended };
      const deltas = { delta: empty(numHeads), dqkv: empty(row) };
      const query = await compute(device, backwardAttentionQuery, heads, shape, { ...given, ...deltas });
      const all = await compute(device, backwardAttentionKeyValue, heads, shape, { ...given, ...query });
      return [
        { actual: forward.attended, expected: attend(qkv, heads), tolerance: TOLERANCE },
        compareGradient(all.dqkv, (at) => inner(attend(at, heads), d_attended), qkv),
      ];
    },
  };
}

function rotateCase(heads: HeadFacts): KernelCase {
  const { numHeads, numKvHeads, headDim } = heads;
  return {
    kernel: "rotate and its inverse",
    name: nameOf(heads),
    async run(device) {
      const { shape, tokens } = caseBatch(LENGTHS);
      const row = (numHeads + 2 * numKvHeads) * headDim;
      const [qkv, dqkv] = [randomFloats(shape.tokens * row, 1), randomFloats(shape.tokens * row, 2)];
      const table = rotations({ headDim, ropeTheta: THETA, ropeScaling: { type: "none" } }, 16);
      const arrays = { tokens, rotations: table };
      const forward = await compute(device, rotate, { ...heads, inverse: false }, shape, { ...arrays, qkv });
      const backward = await compute(device, rotate, { ...heads, inverse: true }, shape, { ...arrays, qkv: dqkv });
      return [
        { actual: forward.qkv, expected: turn(qkv, heads), tolerance: TOLERANCE },
        compareGradient(backward.qkv, (at) => inner(turn(at, heads), dqkv), qkv),
      ];
    },
  };
}

/** q, k and v of every sequence, with its positions. */
function sequencesOf(qkv: ArrayLike<number>, { numHeads, numKvHeads, headDim }: HeadFacts) {
  const [q, kv] = [numHeads * headDim, numKvHeads * headDim];
  const row = q + 2 * kv;
  let first = 0;
  return LENGTHS.map((length) => {
    const from = first;
    first += length;
    const part = (offset: number, size: number) =>
      Float64Array.from(
        { length: length * size },
        (_, i) => qkv[(from + Math.floor(i / size)) * row + offset + (i % size)],
      );
    const positions = Array.from({ length }, (_, t) => t);
    return { positions, q: part(0, q), k: part(q, kv), v: part(q + kv, kv) };
  });
}

function attend(qkv: ArrayLike<number>, heads: HeadFacts): Float64Array {
  const all = sequencesOf(qkv, heads);
  return Float64Array.from(all.flatMap(({ q, k, v, positions }) => [...gqaAttention(q, k, v, positions, heads)]));
}

function turn(qkv: ArrayLike<number>, heads: HeadFacts): Float64Array {
  const { numHeads, numKvHeads, headDim } = heads;
  const frequencies = ropeFrequencies(headDim, THETA, { type: "none" });
  const [queries, keys] = [numHeads * headDim, numKvHeads * headDim];
  return Float64Array.from(
    sequencesOf(qkv, heads).flatMap(({ q, k, v, positions }) => {
      const turned = [rope(q, positions, numHeads, frequencies), rope(k, positions, numKvHeads, frequencies)];
      return positions.flatMap((t) => [
        ...turned[0].subarray(t * queries, (t + 1) * queries),
        ...turned[1].subarray(t * keys, (t + 1) * keys),
        ...v.subarray(t * keys, (t + 1) * keys),
      ]);
    }),
  );
}
