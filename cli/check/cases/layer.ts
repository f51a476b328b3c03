// The parts of a layer without adapters: embedding, RMSNorm (with int8 blocks of its result on the CPU), paged attention.

import { embed } from "../../../shaders/layer/embed.ts";
import { norm } from "../../../shaders/layer/norm.ts";
import type { HeadFacts } from "../../../shaders/layer/rope_kv.ts";
import { NO_LORA } from "../../../shaders/lora/lora_form.ts";
import { ON_DEVICE } from "../../../shaders/step.ts";
import type { KernelCase } from "../case.ts";
import { compute, stepShape } from "../compute.ts";
import { randomFloats } from "../random.ts";
import { rmsNorm } from "../reference/rms_norm.ts";
import { attentionCase } from "./attention_pages.ts";
import { caseWeights, WEIGHT_TYPES, type WeightType, wholeColumns } from "./weights.ts";

const EPS = 1e-5;
/** Sums of some hundred f32 terms, against the largest value. */
const TOLERANCE = 1e-5;

export function layerCases(): KernelCase[] {
  return [
    ...WEIGHT_TYPES.map(embedCase),
    ...[4, 64, 260, 576].flatMap((hidden) => [1, 7, 65].map((tokens) => normCase(hidden, tokens))),
    ...[1, 7, 65].map(int8NormCase),
    ...attentionCases(),
  ];
}

/** Ids from the host, and two that the device sampled itself. */
function embedCase(type: WeightType): KernelCase {
  const [vocab, cols] = [50, wholeColumns(type, 96)];
  const ids = [0, 49, 7, ON_DEVICE, 25, 24, ON_DEVICE];
  const sampled = Uint32Array.of(9, 9, 49, 25);
  return {
    kernel: "embed",
    name: type,
    async run(device) {
      const { format, views, values } = await caseWeights(device, type, [vocab, cols], 3);
      const sequenceOf = (t: number) => (t === 3 ? 1 : 0);
      const slots = [2, 3];
      const arrays = {
        tokens: Uint32Array.from(ids.flatMap((id, t) => [id, t, sequenceOf(t), 0, t, 0, 0, 0])),
        sequences: Uint32Array.from(slots.flatMap((slot) => [0, 0, 0, 0, slot, 0, 0, 0])),
        sampled,
        residual: new Float32Array(ids.length * cols),
        ids: new Uint32Array(ids.length),
      };
      const facts = { format, cols, firstRow: 0, rows: vocab };
      const shape = stepShape({ tokens: ids.length, sequences: 2 });
      const found = await compute(device, embed, facts, shape, arrays, { views });
      const resolved = ids.map((id, t) => (id === ON_DEVICE ? sampled[slots[sequenceOf(t)]] : id));
      const rows = resolved.flatMap((id) => [...values.subarray(id * cols, (id + 1) * cols)]);
      const words = new Uint32Array(found.ids.buffer, found.ids.byteOffset, ids.length);
      return [
        { actual: found.residual, expected: rows, tolerance: 1e-6 },
        { actual: words, expected: resolved, tolerance: 1e-9 },
      ];
    },
  };
}

/** Rows of very different sizes. */
function residualOf(tokens: number, hidden: number): Float32Array<ArrayBuffer> {
  return randomFloats(tokens * hidden, 2).map((value, i) => value * 10 ** ((Math.floor(i / hidden) % 5) - 2));
}

function normCase(hidden: number, tokens: number): KernelCase {
  return {
    kernel: "norm",
    name: `${tokens} rows of ${hidden}`,
    async run(device) {
      const residual = residualOf(tokens, hidden);
      const output = randomFloats(tokens * hidden, 3);
      const weight = randomFloats(hidden, 1);
      const arrays = { residual, output, weight, x: new Float32Array(tokens * hidden) };
      const facts = { hidden, eps: EPS, add: true, lora: NO_LORA };
      const found = await compute(device, norm, facts, stepShape({ tokens }), arrays);
      const sum = residual.map((value, i) => value + output[i]);
      return [
        { actual: found.residual, expected: sum, tolerance: 1e-6 },
        { actual: found.x, expected: rmsNorm(sum, weight, EPS), tolerance: TOLERANCE },
      ];
    },
  };
}

/** What the blocks stand for is within about half a step of the values. */
function int8NormCase(tokens: number): KernelCase {
  const hidden = 96;
  return {
    kernel: "int8 blocks",
    name: `${tokens} rows of ${hidden}`,
    only: "cpu",
    async run(device) {
      const residual = residualOf(tokens, hidden);
      const weight = randomFloats(hidden, 1);
      const count = tokens * hidden;
      const arrays = { residual, weight, x: new Float32Array(count) };
      const blocks = { xq: new Uint32Array(count / 4), xs: new Float32Array(count / 16) };
      const more = { cpu: { xq: "read_write", xs: "read_write" } } as const;
      const facts = { hidden, eps: EPS, add: false, lora: NO_LORA };
      const found = await compute(device, norm, facts, stepShape({ tokens }), { ...arrays, ...blocks }, more);
      const quants = new Int8Array(found.xq.buffer, found.xq.byteOffset, count);
      const expected = rmsNorm(residual, weight, EPS);
      const largest = (i: number) => {
        const block = expected.subarray(i - (i % 32), i - (i % 32) + 32);
        return block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      };
      const stoodFor = Float64Array.from(quants, (q, i) => q * found.xs[2 * Math.floor(i / 32)]);
      return [{ actual: stoodFor, expected, tolerance: 0.55 / 127, scale: expected.map((_, i) => largest(i)) }];
    },
  };
}

function attentionCases(): KernelCase[] {
  const heads: HeadFacts[] = [
    { numHeads: 3, numKvHeads: 3, headDim: 8 },
    { numHeads: 9, numKvHeads: 3, headDim: 64 },
    { numHeads: 4, numKvHeads: 1, headDim: 96 },
    { numHeads: 4, numKvHeads: 2, headDim: 64, kv: "f16" },
  ];
  const mixes = [
    [{ start: 0, count: 1 }],
    [{ start: 299, count: 1 }],
    [
      { start: 0, count: 2 },
      { start: 16, count: 1 },
      { start: 254, count: 4 },
    ],
    [
      { start: 235, count: 40 },
      { start: 699, count: 1 },
      { start: 5, count: 7 },
    ],
  ];
  return heads.flatMap((shape) =>
    mixes.flatMap((slices) => [1, 64].map((built) => attentionCase(shape, slices, built))),
  );
}
