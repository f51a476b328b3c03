// LoRA on the device in both forms, through every kernel that consumes deltas, against float64, on every routing skew.
// It knows nothing of routers: the lists of adapters are given.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Buffers, View } from "../../engine/gpu/buffers.ts";
import type { Gpu } from "../../engine/gpu/gpu.ts";
import { type Grid, launch } from "../../engine/gpu/program.ts";
import { rotations } from "../../engine/model/rotations.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import type { LoraGroup } from "../../files/families/modules.ts";
import { activation, activationGrid } from "../../shaders/activation.ts";
import type { Build, Fragment } from "../../shaders/compose.ts";
import { finalNorm, finalNormGrid } from "../../shaders/final_norm.ts";
import { type LoraForm, loraFragment } from "../../shaders/lora_form.ts";
import { norm, normGrid } from "../../shaders/norm.ts";
import { ropeKv, ropeKvGrid } from "../../shaders/rope_kv.ts";
import { LOGIT_ROW_WORDS } from "../../shaders/sample.ts";
import type { StepShape } from "../../shaders/step.ts";
import { rmsNorm } from "../reference/rmsNorm.ts";
import { rope, ropeFrequencies } from "../reference/rope.ts";
import { swiglu } from "../reference/swiglu.ts";
import { checkClose, openTestGpu, randomFloats, run, SENTINEL } from "./device.ts";
import { type CaseEntry, ENTRIES, listsOf, RANK4, SKEWS } from "./lora_case.ts";
import { type Deltas, FREE_PAGES, LoraForms, MAX_TOKENS } from "./lora_forms.ts";
import { bitsOf, checkSameBits, Output } from "./outputs.ts";

/** Sums of some hundred f32 terms, against the largest value of all. */
const TOLERANCE = 2e-5;
const TOKENS = [1, 2, 7, 33, 65];

/** Ragged on purpose: no width fills a workgroup, an MLP row takes two, and heads, q and hidden all differ. */
const CONFIG = {
  architecture: "LlamaForCausalLM",
  hiddenSize: 36,
  numLayers: 1,
  numHeads: 6,
  numKvHeads: 2,
  headDim: 8,
  intermediateSize: 268,
  vocabSize: 10,
  contextLength: 700,
  normEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: { type: "none" },
  tieEmbeddings: true,
  bosId: 0,
  eosIds: [0],
} satisfies ModelConfig;
const { hiddenSize: HIDDEN, intermediateSize: FFN, numHeads, numKvHeads, headDim } = CONFIG;
const PAGE = 2 * 16 * numKvHeads * headDim;
const Q_ROWS = numHeads * headDim;
const KV_ROWS = numKvHeads * headDim;

interface Consumer {
  group: LoraGroup;
  /** Whether the kernel writes the pool that adapters lie in. */
  inPool: boolean;
  /** Runs the kernel; gives all it wrote that the reference says something of. */
  run(
    bench: Bench,
    deltas: Deltas,
    fragment: Fragment,
    views: Record<string, View>,
  ): Promise<Float32Array<ArrayBuffer>>;
  /** y: the linear layer's output with the deltas, float64. */
  expected(y: Float64Array, tokens: number): Float64Array;
}

interface Bench {
  gpu: Gpu;
  buffers: Buffers;
  forms: LoraForms;
}

async function launchOne(
  { gpu }: Bench,
  build: Build,
  views: Record<string, View>,
  grid: (shape: StepShape) => Grid,
  shape: StepShape,
): Promise<void> {
  run(gpu, [launch(gpu, await gpu.pipelines.get(build.kernel, build.constants), views, grid)], shape);
}

const residual = randomFloats(MAX_TOKENS * HIDDEN, 21);
const weight = randomFloats(HIDDEN, 22);
const sum = (left: Float64Array) => left.map((value, i) => value + residual[i]);
/** Tokens whose logits are wanted, in no order. */
const wanted = (tokens: number) =>
  Array.from({ length: Math.ceil(tokens / 2) }, (_, r) => (r * 5 + tokens - 1) % tokens);
const positionOf = (t: number) => (t * 37) % CONFIG.contextLength;
/** Every token its own cell, scattered over the free pages. */
const cellOf = (t: number) => (t * 29) % (16 * FREE_PAGES);

/** K, then V, of each cell; asserts that the rest of the pool is as it was. */
function takeCells(
  pool: Float32Array<ArrayBuffer>,
  before: Float32Array<ArrayBuffer>,
  cells: readonly number[],
): number[] {
  const rest = pool.slice();
  const taken = cells.flatMap((cell) =>
    [0, 1].flatMap((half) =>
      Array.from({ length: KV_ROWS }, (_, i) => {
        const head = half * numKvHeads + Math.floor(i / headDim);
        const at = Math.floor(cell / 16) * PAGE + (head * 16 + (cell % 16)) * headDim + (i % headDim);
        rest[at] = before[at];
        return pool[at];
      }),
    ),
  );
  checkSameBits(rest, before, "the pool beside the cells");
  return taken;
}

const CONSUMERS: Record<string, Consumer> = {
  norm: {
    group: "o",
    inPool: false,
    async run(bench, { y, shape }, lora, views) {
      const { gpu, buffers, forms } = bench;
      const { step } = forms;
      const count = shape.tokens * HIDDEN;
      const x = new Output(gpu, buffers, count);
      const sums = new Output(gpu, buffers, count, residual.subarray(0, count));
      const build = norm({ hidden: HIDDEN, eps: CONFIG.normEps, add: true, lora, activations: "f32" });
      const bound = {
        step,
        residual: sums.view,
        output: y.view,
        weight: buffers.from("w", weight),
        x: x.view,
        ...views,
      };
      await launchOne(bench, build, bound, normGrid, shape);
      return Float32Array.from([...(await sums.read()), ...(await x.read())]);
    },
    expected: (y) => Float64Array.from([...sum(y), ...rmsNorm(sum(y), weight, CONFIG.normEps)]),
  },
  final_norm: {
    group: "down",
    inPool: false,
    async run(bench, { y, shape }, lora, views) {
      const { gpu, buffers, forms } = bench;
      const { step } = forms;
      const tokens = wanted(shape.tokens);
      const rows = new Uint32Array(tokens.length * LOGIT_ROW_WORDS).fill(0xdead);
      for (const [r, token] of tokens.entries()) rows[r * LOGIT_ROW_WORDS] = token;
      const x = new Output(gpu, buffers, tokens.length * HIDDEN);
      const build = finalNorm({ hidden: HIDDEN, eps: CONFIG.normEps, lora, activations: "f32" });
      const inputs = { logit_rows: buffers.from("rows", rows), weight: buffers.from("w", weight) };
      const sums = { residual: buffers.from("residual", residual), output: y.view };
      await launchOne(bench, build, { step, ...inputs, ...sums, x: x.view, ...views }, finalNormGrid, {
        ...shape,
        rows: tokens.length,
      });
      return x.read();
    },
    expected: (y, tokens) => {
      const all = rmsNorm(sum(y), weight, CONFIG.normEps);
      return Float64Array.from(wanted(tokens).flatMap((t) => [...all.subarray(t * HIDDEN, (t + 1) * HIDDEN)]));
    },
  },
  activation: {
    group: "gateUp",
    inPool: false,
    async run(bench, { y, shape }, lora, views) {
      const x = new Output(bench.gpu, bench.buffers, shape.tokens * FFN);
      const build = activation({ ffn: FFN, lora, activations: "f32" });
      const bound = { step: bench.forms.step, gate_up: y.view, x: x.view, ...views };
      await launchOne(bench, build, bound, activationGrid(FFN), shape);
      return x.read();
    },
    expected: (y) => {
      const halves = [0, FFN].map((first) => y.filter((_, i) => i % (2 * FFN) >= first && i % (2 * FFN) < first + FFN));
      return swiglu(halves[0], halves[1]);
    },
  },
  rope_kv: {
    group: "qkv",
    inPool: true,
    async run(bench, { y, shape }, lora, { adapters, ...views }) {
      const { gpu, buffers, forms } = bench;
      const { step } = forms;
      const { pool, firstPage } = forms.placed;
      const cells = Array.from({ length: shape.tokens }, (_, t) => 16 * firstPage + cellOf(t));
      const tokens = buffers.from("tokens", new Uint32Array(cells.flatMap((cell, t) => [9, positionOf(t), 0, cell])));
      const q = new Output(gpu, buffers, shape.tokens * Q_ROWS);
      const written = new Output(gpu, buffers, pool.length, pool);
      const inputs = { tokens, qkv: y.view, rotations: buffers.from("rotations", rotations(CONFIG, 700)) };
      const bound = { step, ...inputs, q: q.view, ...views, pool: written.view };
      await launchOne(bench, ropeKv(CONFIG, lora), bound, ropeKvGrid(CONFIG), shape);
      const kv = takeCells(await written.read(), pool, cells);
      return Float32Array.from([...(await q.read()), ...kv]);
    },
    expected: (y, tokens) => {
      const all = Q_ROWS + 2 * KV_ROWS;
      const part = (first: number, count: number) => y.filter((_, i) => i % all >= first && i % all < first + count);
      const frequencies = ropeFrequencies(headDim, CONFIG.ropeTheta, CONFIG.ropeScaling);
      const positions = Array.from({ length: tokens }, (_, t) => positionOf(t));
      const q = rope(part(0, Q_ROWS), positions, numHeads, frequencies);
      const k = rope(part(Q_ROWS, KV_ROWS), positions, numKvHeads, frequencies);
      const v = part(Q_ROWS + KV_ROWS, KV_ROWS);
      const cells = positions.flatMap((_, t) => [
        ...k.subarray(t * KV_ROWS, (t + 1) * KV_ROWS),
        ...v.subarray(t * KV_ROWS, (t + 1) * KV_ROWS),
      ]);
      return Float64Array.from([...q, ...cells]);
    },
  },
};

for (const [name, consumer] of Object.entries(CONSUMERS)) {
  test(`${name}: gather equals segmented bit by bit, both equal float64, on every skew`, async () => {
    const { gpu, buffers } = await openTestGpu("rowPerThread");
    const forms = await LoraForms.create(gpu, buffers, CONFIG, consumer.group);
    const bench = { gpu, buffers, forms };
    const through = (form: LoraForm, deltas: Deltas) => {
      const views = deltas.views[form === "none" ? "gather" : form];
      return consumer.run(bench, deltas, loraFragment(form, forms.shape, consumer.inPool), views);
    };
    for (const skew of SKEWS) {
      for (const tokens of TOKENS) {
        const lists = listsOf(skew, tokens, forms.adapters.length);
        const deltas = await forms.run(lists);
        await checkWritten(forms, lists, deltas);
        const base = await deltas.y.read();
        const expected = consumer.expected(
          deltas.expected.map((delta, i) => delta + base[i]),
          tokens,
        );
        const gathered = await through("gather", deltas);
        checkClose(gathered, expected, TOLERANCE);
        checkSameBits(await through("segmented", deltas), gathered, `${skew}, ${tokens} tokens, segmented`);
        if (skew === "empty") checkSameBits(await through("none", deltas), gathered, `${tokens} tokens, none`);
      }
    }
    buffers.destroy();
  });
}

/** Shrunk vectors: the same bits in both forms, nothing written elsewhere. Planes: written where an adapter is. */
async function checkWritten(forms: LoraForms, lists: readonly CaseEntry[][], deltas: Deltas): Promise<void> {
  const gathered = await deltas.shrunk.gather.read();
  const segmented = await deltas.shrunk.segmented.read();
  checkSameBits(segmented, gathered, "shrunk");
  const shrunk = bitsOf(gathered);
  const planes = await deltas.planes.readWords();
  const { rows } = forms.shape;
  const width = rows.reduce((all, count) => all + count, 0);
  const check = (words: Uint32Array, first: number, count: number, written: boolean) => {
    const part = words.subarray(first, first + count);
    assert.ok(part.every((word) => (word !== SENTINEL) === written));
  };
  for (let t = 0; t < MAX_TOKENS; t++) {
    for (let j = 0; j < ENTRIES; j++) {
      const adapter = lists[t]?.[j]?.adapter;
      const ranks4 = adapter === undefined ? rows.map(() => 0) : forms.ranks4(adapter);
      for (const [m, rank4] of ranks4.entries()) {
        const at = ((t * ENTRIES + j) * rows.length + m) * RANK4 * 4;
        check(shrunk, at, 4 * rank4, true);
        check(shrunk, at + 4 * rank4, 4 * (RANK4 - rank4), false);
      }
      check(planes, (j * MAX_TOKENS + t) * width, width, adapter !== undefined);
    }
  }
}
