// Every backward kernel of the transformer against finite differences of the float64 reference, on ragged shapes.

import assert from "node:assert/strict";
import { wholeColumns } from "../../../cli/check/cases/weights.ts";
import { gqaAttention } from "../../../cli/check/reference/gqa_attention.ts";
import { linear } from "../../../cli/check/reference/linear.ts";
import { rmsNorm } from "../../../cli/check/reference/rms_norm.ts";
import { rope, ropeFrequencies } from "../../../cli/check/reference/rope.ts";
import { logSoftmax } from "../../../cli/check/reference/softmax.ts";
import { swiglu } from "../../../cli/check/reference/swiglu.ts";
import { allocateFrom } from "../../../engine/device/device.ts";
import { uploadLinear } from "../../../engine/model/linear_weights.ts";
import { rotations } from "../../../engine/model/rotations.ts";
import { launch } from "../../../shaders/kernel.ts";
import { backwardAttentionKeyValue } from "../../../shaders/training/backward_attention_key_value.ts";
import { backwardAttentionQuery } from "../../../shaders/training/backward_attention_query.ts";
import { backwardLinear } from "../../../shaders/training/backward_linear.ts";
import { backwardNorm } from "../../../shaders/training/backward_norm.ts";
import { backwardSwiglu } from "../../../shaders/training/backward_swiglu.ts";
import { causalAttention } from "../../../shaders/training/causal_attention.ts";
import { crossEntropy } from "../../../shaders/training/cross_entropy.ts";
import { residualNorm } from "../../../shaders/training/residual_norm.ts";
import { rotate } from "../../../shaders/training/rotate.ts";
import { checkClose, onEachDevice, randomFloats, run } from "../device.ts";
import { caseBatch, checkGradient, inner, runKernel } from "../kernel_case.ts";
import { randomTensor, valuesOf } from "../linear_case.ts";
import { Output } from "../outputs.ts";
import { stepUniform } from "../step_case.ts";

/** Against the largest value: sums of at most some hundred products, each rounded to f32. */
const TOLERANCE = 2e-5;

for (const type of ["f32", "f16", "q8_0", "q4_0", "q4_1", "q5_1", "q4_k", "q5_k", "q6_k"] as const) {
  onEachDevice(`a linear layer's gradient for its input, ${type}`, async (device) => {
    const [rows, cols] = [36, wholeColumns(type, 64)];
    const stride = cols + 8;
    for (const tokens of [1, 3, 9]) {
      const tensor = randomTensor(type, rows, cols, 3);
      const values = await valuesOf([tensor]);
      const { shards } = await uploadLinear(device, [tensor], "auto");
      const { format, quants, scales } = shards[0];
      const dy = randomFloats(tokens * 40, 5);
      const before = randomFloats(tokens * stride, 6);
      const facts = {
        format,
        rows,
        cols,
        dy: { stride: 40, offset: 4 },
        dx: { stride, offset: 8 },
        add: true,
      };
      const { shape } = caseBatch([tokens]);
      const dx = new Output(device, before.length, before);
      const step = stepUniform(device, shape);
      const views = { step, quants, scales, dy: allocateFrom(device, "dy", dy), dx: dx.view };
      await run(device, [launch(backwardLinear, facts, views)], shape);

      const own = Float64Array.from(
        { length: tokens * rows },
        (_, i) => dy[Math.floor(i / rows) * 40 + 4 + (i % rows)],
      );
      const after = await dx.read();
      const gained = (i: number) => after[i] - before[i];
      const strip = (i: number) => Math.floor(i / cols) * stride + 8 + (i % cols);
      const gradient = Float64Array.from({ length: tokens * cols }, (_, i) => gained(strip(i)));
      const x = randomFloats(tokens * cols, 7);
      checkGradient(gradient, (at) => inner(linear(at, values, tokens, cols, rows), own), x, { h: 1e-3 });
      const outside = after.findIndex((value, i) => value !== before[i] && (i % stride < 8 || i % stride >= 8 + cols));
      assert.equal(outside, -1);
    }
  });
}

onEachDevice("RMSNorm: forward, and its gradient for the residual", async (device) => {
  const facts = { hidden: 72, eps: 1e-5 };
  const { shape } = caseBatch([5]);
  const residual = randomFloats(5 * 72, 1);
  const weight = randomFloats(72, 2);
  const output = randomFloats(5 * 72, 3);
  const dx = randomFloats(5 * 72, 4);
  const sum = Float32Array.from(residual, (value, i) => value + output[i]);

  const arrays = { residual, output, weight, sum: new Float32Array(5 * 72), x: new Float32Array(5 * 72) };
  const forward = await runKernel(device, residualNorm, { ...facts, form: "add" }, shape, arrays);
  checkClose(forward.sum, sum, 1e-6);
  checkClose(forward.x, rmsNorm(sum, weight, facts.eps), TOLERANCE);

  const before = randomFloats(5 * 72, 5);
  const backward = await runKernel(device, backwardNorm, { ...facts, gather: false }, shape, {
    residual,
    weight,
    dx,
    d_residual: before,
  });
  const gained = backward.d_residual.map((value, i) => value - before[i]);
  checkGradient(gained, (at) => inner(rmsNorm(at, weight, facts.eps), dx), residual);
});

onEachDevice("RMSNorm of gathered rows: tokens without a row and rows of weight 0 get nothing", async (device) => {
  const facts = { hidden: 24, eps: 1e-5 };
  const { shape } = caseBatch([6], 3);
  const residual = randomFloats(6 * 24, 1);
  const weight = randomFloats(24, 2);
  const dx = randomFloats(3 * 24, 4);
  const one = new Uint32Array(Float32Array.of(1).buffer)[0];
  const rows = Uint32Array.of(4, 0, one, 0, 1, 0, one, 0, 0, 0, 0, 0);
  const x = new Float32Array(3 * 24);
  const forward = await runKernel(device, residualNorm, { ...facts, form: "gather" }, shape, {
    rows,
    residual,
    weight,
    x,
  });
  const gathered = Float64Array.from(
    { length: 3 * 24 },
    (_, i) => residual[[4, 1, 0][Math.floor(i / 24)] * 24 + (i % 24)],
  );
  checkClose(forward.x, rmsNorm(gathered, weight, facts.eps), TOLERANCE);
  const d_residual = new Float32Array(6 * 24);
  const backward = await runKernel(device, backwardNorm, { ...facts, gather: true }, shape, {
    rows,
    residual,
    weight,
    dx,
    d_residual,
  });
  const f = (at: Float64Array) => {
    const wanted = Float64Array.from({ length: 2 * 24 }, (_, i) => at[[4, 1][Math.floor(i / 24)] * 24 + (i % 24)]);
    return inner(rmsNorm(wanted, weight, facts.eps), dx);
  };
  checkGradient(backward.d_residual, f, residual);
});

for (const heads of [
  { numHeads: 4, numKvHeads: 2, headDim: 8 },
  { numHeads: 3, numKvHeads: 3, headDim: 24 },
  { numHeads: 6, numKvHeads: 1, headDim: 16 },
]) {
  const { numHeads, numKvHeads, headDim } = heads;
  const lengths = [4, 1, 6];
  const row = (numHeads + 2 * numKvHeads) * headDim;
  const name = `${numHeads} heads on ${numKvHeads} of ${headDim}`;

  onEachDevice(`causal attention of whole sequences: forward and its gradients, ${name}`, async (device) => {
    const { shape, step, tokens, sequences } = caseBatch(lengths);
    const qkv = randomFloats(shape.tokens * row, 1).map((value) => 2 * value);
    const width = numHeads * headDim;
    const base = { step, tokens, sequences, qkv };
    const empty = { attended: new Float32Array(shape.tokens * width), lse: new Float32Array(shape.tokens * numHeads) };
    const forward = await runKernel(device, causalAttention, heads, shape, { ...base, ...empty });
    checkClose(forward.attended, attend(qkv, lengths, heads), TOLERANCE);

    const d_attended = randomFloats(shape.tokens * width, 2);
    const read = { ...base, ...forward, d_attended };
    const d_query = await runKernel(device, backwardAttentionQuery, heads, shape, {
      ...read,
      delta: new Float32Array(shape.tokens * numHeads),
      dqkv: new Float32Array(shape.tokens * row),
    });
    const all = await runKernel(device, backwardAttentionKeyValue, heads, shape, {
      ...read,
      delta: d_query.delta,
      dqkv: d_query.dqkv,
    });
    checkGradient(all.dqkv, (at) => inner(attend(at, lengths, heads), d_attended), qkv);
  });

  onEachDevice(`RoPE in place and its gradient, ${name}`, async (device) => {
    const { shape, step, tokens } = caseBatch(lengths);
    const config = { ...CONFIG, ...heads };
    const qkv = randomFloats(shape.tokens * row, 1);
    const table = rotations(config, 16);
    const arrays = { step, tokens, rotations: table };
    const forward = await runKernel(device, rotate, { ...heads, inverse: false }, shape, { ...arrays, qkv });
    checkClose(forward.qkv, turn(qkv, lengths, heads), TOLERANCE);
    const dqkv = randomFloats(shape.tokens * row, 2);
    const backward = await runKernel(device, rotate, { ...heads, inverse: true }, shape, { ...arrays, qkv: dqkv });
    checkGradient(backward.qkv, (at) => inner(turn(at, lengths, heads), dqkv), qkv);
  });
}

onEachDevice("SwiGLU's gradients for gate and up", async (device) => {
  const ffn = 20;
  const { shape, step } = caseBatch([7]);
  const gate_up = randomFloats(7 * 2 * ffn, 1).map((value) => 4 * value);
  const dy = randomFloats(7 * ffn, 2);
  const { gate_up: actual } = await runKernel(device, backwardSwiglu, { ffn }, shape, { step, dy, gate_up });
  const f = (at: Float64Array) => {
    const part = (offset: number) =>
      Float64Array.from({ length: 7 * ffn }, (_, i) => at[Math.floor(i / ffn) * 2 * ffn + offset + (i % ffn)]);
    return inner(swiglu(part(0), part(ffn)), dy);
  };
  checkGradient(actual, f, gate_up);
});

onEachDevice("cross-entropy of rows: losses, and the weighted gradient in the logits' place", async (device) => {
  const vocab = 131;
  const weights = [0.25, 0, 1.5];
  const targets = [0, 7, 130];
  const { shape } = caseBatch([3]);
  const logits = randomFloats(3 * vocab, 1).map((value) => 9 * value);
  const bits = new Uint32Array(Float32Array.from(weights).buffer);
  const rows = Uint32Array.from(targets.flatMap((target, r) => [r, target, bits[r], 0]));
  const losses = new Float32Array(3);
  const actual = await runKernel(device, crossEntropy, { vocab, rows: 3 }, shape, { rows, logits, losses });
  const nll = (at: Float64Array) =>
    targets.map((target, r) => -logSoftmax(at.slice(r * vocab, (r + 1) * vocab))[target]);
  checkClose(actual.losses, nll(Float64Array.from(logits)), TOLERANCE);
  checkGradient(actual.logits, (at) => inner(nll(at), weights), logits);
});

interface Heads {
  numHeads: number;
  numKvHeads: number;
  headDim: number;
}

const CONFIG = {
  architecture: "LlamaForCausalLM",
  hiddenSize: 8,
  numLayers: 1,
  intermediateSize: 8,
  vocabSize: 8,
  contextLength: 16,
  normEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: { type: "none" as const },
  tieEmbeddings: true,
  bosId: undefined,
  eosIds: [],
};

/** The q, k and v of one sequence out of the rows of a batch. */
function parts(qkv: ArrayLike<number>, first: number, length: number, { numHeads, numKvHeads, headDim }: Heads) {
  const sizes = [numHeads * headDim, numKvHeads * headDim, numKvHeads * headDim];
  const row = sizes[0] + 2 * sizes[1];
  return sizes.map((size, n) => {
    const offset = n === 0 ? 0 : sizes[0] + (n - 1) * sizes[1];
    return Float64Array.from(
      { length: length * size },
      (_, i) => qkv[(first + Math.floor(i / size)) * row + offset + (i % size)],
    );
  });
}

function attend(qkv: ArrayLike<number>, lengths: readonly number[], heads: Heads): Float64Array {
  let first = 0;
  return Float64Array.from(
    lengths.flatMap((length) => {
      const [q, k, v] = parts(qkv, first, length, heads);
      first += length;
      return [
        ...gqaAttention(
          q,
          k,
          v,
          Array.from({ length }, (_, i) => i),
          heads,
        ),
      ];
    }),
  );
}

function turn(qkv: ArrayLike<number>, lengths: readonly number[], heads: Heads): Float64Array {
  const frequencies = ropeFrequencies(heads.headDim, 10_000, { type: "none" });
  const { numHeads, numKvHeads, headDim } = heads;
  let first = 0;
  return Float64Array.from(
    lengths.flatMap((length) => {
      const positions = Array.from({ length }, (_, i) => i);
      const [q, k, v] = parts(qkv, first, length, heads);
      first += length;
      const turned = [rope(q, positions, numHeads, frequencies), rope(k, positions, numKvHeads, frequencies), v];
      return positions.flatMap((t) =>
        turned.flatMap((part, n) => {
          const size = (n === 0 ? numHeads : numKvHeads) * headDim;
          return [...part.subarray(t * size, (t + 1) * size)];
        }),
      );
    }),
  );
}
