// LoRA on the CPU: shrink, and every kernel that consumes deltas, against float64 on every routing skew, in both builds.
// Without adapters (the skew "empty") this is the test of those kernels' own work too.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LORA_MODULES, type ModelConfig, moduleShape } from "../../../files/families/config.ts";
import { LORA_GROUPS, type LoraGroup, loraConstants } from "../../../shaders/lora_form.ts";
import { rotations } from "../../../shaders/rope_kv.ts";
import { LOGIT_ROW_WORDS } from "../../../shaders/sample.ts";
import { linearReference } from "../../reference/linear.ts";
import { loraDelta } from "../../reference/loraDelta.ts";
import { rmsNorm } from "../../reference/rmsNorm.ts";
import { rope, ropeFrequencies } from "../../reference/rope.ts";
import { swiglu } from "../../reference/swiglu.ts";
import { checkClose, isUnwritten, randomFloats } from "../device.ts";
import {
  type CaseEntry,
  caseAdapters,
  ENTRIES,
  gatesOf,
  listsOf,
  mostEntries,
  placeModules,
  RANK4,
  SKEWS,
  tableOf,
} from "../lora_case.ts";
import { checkSameBits } from "../outputs.ts";
import { BUILDS, type CpuArguments, CpuKernels } from "./cpu_kernels.ts";

/** Sums of some hundred f32 terms, against the largest value of all. */
const TOLERANCE = 2e-5;
const TOKENS = [1, 2, 7, 33];
const MOST_TOKENS = Math.max(...TOKENS);
const FREE_PAGES = 8;

/** Ragged on purpose: an MLP row takes two items, and heads, q and hidden all differ. */
const CONFIG: ModelConfig = {
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
};
const { hiddenSize: HIDDEN, intermediateSize: FFN, numHeads, numKvHeads, headDim } = CONFIG;
const PAGE = 2 * 16 * numKvHeads * headDim;
const Q_ROWS = numHeads * headDim;
const KV_ROWS = numKvHeads * headDim;
const ADAPTERS = caseAdapters(CONFIG);
const PLACED = placeModules(ADAPTERS, PAGE, FREE_PAGES);

const RESIDUAL = randomFloats(MOST_TOKENS * HIDDEN, 21);
const WEIGHT = randomFloats(HIDDEN, 22);
const sum = (left: Float64Array) => left.map((value, i) => value + RESIDUAL[i]);
/** Tokens whose logits are wanted, in no order. */
const wanted = (tokens: number) =>
  Array.from({ length: Math.ceil(tokens / 2) }, (_, r) => (r * 5 + tokens - 1) % tokens);
const positionOf = (t: number) => (t * 37) % CONFIG.contextLength;
const cellOf = (t: number) => 16 * PLACED.firstPage + ((t * 29) % (16 * FREE_PAGES));

/** A step's tokens: lists, the input of the linear layer, its output without deltas. */
interface Step {
  tokens: number;
  y: Float32Array<ArrayBuffer>;
  /** step, table, shrunk, adapters, and LoRA's constants. */
  lora: CpuArguments;
}

interface Consumer {
  group: LoraGroup;
  /** Runs the kernel in `parts` ranges; gives all that the reference says something of. */
  run(kernels: CpuKernels, step: Step, parts: number): Float32Array<ArrayBuffer>;
  expected(y: Float64Array, tokens: number): Float64Array;
}

const CONSUMERS: Record<string, Consumer> = {
  norm: {
    group: "o",
    run(kernels, { tokens, y, lora }, parts) {
      const residual = kernels.output(tokens * HIDDEN, RESIDUAL.subarray(0, tokens * HIDDEN));
      const x = kernels.output(tokens * HIDDEN);
      const [output, weight] = [kernels.place(y), kernels.place(WEIGHT)];
      const args = { ...lora, residual, output, weight, x, HIDDEN, EPS: CONFIG.normEps, ADD: true };
      kernels.run("norm", args, tokens, parts);
      return Float32Array.from([...residual.read(), ...x.read()]);
    },
    expected: (y) => Float64Array.from([...sum(y), ...rmsNorm(sum(y), WEIGHT, CONFIG.normEps)]),
  },
  final_norm: {
    group: "down",
    run(kernels, { tokens, y, lora }, parts) {
      const rows = wanted(tokens);
      const words = new Uint32Array(rows.length * LOGIT_ROW_WORDS).fill(0xdead);
      for (const [r, token] of rows.entries()) words[r * LOGIT_ROW_WORDS] = token;
      const x = kernels.output(rows.length * HIDDEN);
      const [logit_rows, residual] = [kernels.place(words), kernels.place(RESIDUAL)];
      const [output, weight] = [kernels.place(y), kernels.place(WEIGHT)];
      const args = { ...lora, logit_rows, residual, output, weight, x, HIDDEN, EPS: CONFIG.normEps };
      kernels.run("final_norm", args, rows.length, parts);
      return x.read();
    },
    expected: (y, tokens) => {
      const all = rmsNorm(sum(y), WEIGHT, CONFIG.normEps);
      return Float64Array.from(wanted(tokens).flatMap((t) => [...all.subarray(t * HIDDEN, (t + 1) * HIDDEN)]));
    },
  },
  activation: {
    group: "gateUp",
    run(kernels, { tokens, y, lora }, parts) {
      const x = kernels.output(tokens * FFN);
      kernels.run("activation", { ...lora, gate_up: kernels.place(y), x, FFN }, tokens * Math.ceil(FFN / 256), parts);
      return x.read();
    },
    expected: (y) => {
      const halves = [0, FFN].map((first) => y.filter((_, i) => i % (2 * FFN) >= first && i % (2 * FFN) < first + FFN));
      return swiglu(halves[0], halves[1]);
    },
  },
  rope_kv: {
    group: "qkv",
    run(kernels, { tokens, y, lora }, parts) {
      const words = Array.from({ length: tokens }, (_, t) => [9, positionOf(t), 0, cellOf(t)]);
      const q = kernels.output(tokens * Q_ROWS);
      const pool = kernels.output(PLACED.pool.length, PLACED.pool);
      const args = { ...lora, tokens: kernels.place(new Uint32Array(words.flat())), qkv: kernels.place(y), q, pool };
      const heads = { HEADS: numHeads, KV_HEADS: numKvHeads, HEAD_DIM: headDim };
      const table = kernels.place(rotations(CONFIG, 700));
      kernels.run("rope_kv", { ...args, ...heads, rotations: table }, tokens * (numHeads + 2 * numKvHeads), parts);
      return Float32Array.from([...q.read(), ...takeCells(pool.read(), tokens)]);
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

/** K, then V, of each token's cell; asserts that the rest of the pool is as it was. */
function takeCells(pool: Float32Array<ArrayBuffer>, tokens: number): number[] {
  const rest = pool.slice();
  const taken = Array.from({ length: tokens }, (_, t) => cellOf(t)).flatMap((cell) =>
    [0, 1].flatMap((half) =>
      Array.from({ length: KV_ROWS }, (_, i) => {
        const head = half * numKvHeads + Math.floor(i / headDim);
        const at = Math.floor(cell / 16) * PAGE + (head * 16 + (cell % 16)) * headDim + (i % headDim);
        rest[at] = PLACED.pool[at];
        return pool[at];
      }),
    ),
  );
  checkSameBits(rest, PLACED.pool, "the pool beside the cells");
  return taken;
}

for (const build of BUILDS) {
  for (const [name, consumer] of Object.entries(CONSUMERS)) {
    test(`${build}: shrink and ${name} equal float64 on every skew; parts and neighbours change no bit`, () => {
      const kernels = new CpuKernels(build);
      const modules = LORA_GROUPS[consumer.group];
      const rows = modules.map((module) => moduleShape(CONFIG, module)[0]);
      const cols = moduleShape(CONFIG, modules[0])[1];
      const all = rows.reduce((total, count) => total + count, 0);
      const shape = { group: consumer.group, rows, entries: ENTRIES, rank4: RANK4, maxTokens: MOST_TOKENS };
      const constants = loraConstants(shape) as Record<string, number>;
      const x = randomFloats(MOST_TOKENS * cols, 7);
      const y = randomFloats(MOST_TOKENS * all, 8);
      for (const skew of SKEWS) {
        for (const tokens of TOKENS) {
          const lists = listsOf(skew, tokens, ADAPTERS.length);
          const whole = shrunkOf(kernels, lists, x, cols, constants, rows.length, 1);
          checkShrunk(whole.values, lists, x, cols, consumer.group);
          const split = shrunkOf(kernels, lists, x, cols, constants, rows.length, 3);
          checkSameBits(split.values, whole.values, "shrunk in three parts");
          const step = { tokens, y: y.slice(0, tokens * all), lora: whole.lora };
          const actual = consumer.run(kernels, step, 1);
          checkSameBits(consumer.run(kernels, step, 3), actual, "in three parts");
          checkClose(actual, consumer.expected(withDeltas(step.y, lists, x, cols, consumer.group), tokens), TOLERANCE);
          if (skew === "empty") {
            const none = { ...step, lora: { ...whole.lora, table: 0, shrunk: 0 } };
            checkSameBits(consumer.run(kernels, none, 1), actual, "without adapters");
          }
          // The first token alone: its shrunk vectors do not depend on who stands beside it.
          const alone = shrunkOf(kernels, lists.slice(0, 1), x, cols, constants, rows.length, 1);
          checkSameBits(alone.values, whole.values.slice(0, alone.values.length), "the first token alone");
          kernels.reset();
        }
      }
    });
  }
}

function shrunkOf(
  kernels: CpuKernels,
  lists: readonly CaseEntry[][],
  x: Float32Array,
  cols: number,
  constants: Record<string, number>,
  modules: number,
  parts: number,
): { values: Float32Array<ArrayBuffer>; lora: CpuArguments } {
  const tokens = lists.length;
  const entries = mostEntries(lists);
  const shrunk = kernels.output(tokens * ENTRIES * modules * RANK4 * 4);
  const table = kernels.place(tableOf(lists, PLACED.addresses));
  const adapters = kernels.place(PLACED.pool);
  const lora = { ...constants, step: kernels.step(tokens, 0, entries), table, shrunk, adapters };
  const args = { ...lora, x: kernels.place(x.subarray(0, tokens * cols)), COLS: cols };
  kernels.run("shrink", args, Math.ceil(tokens / 4) * entries * modules * 4, parts);
  return { values: shrunk.read(), lora };
}

/** Every cell: the reference, 0 up to the padded rank, and untouched beyond and where no adapter is met. */
function checkShrunk(
  actual: Float32Array,
  lists: readonly CaseEntry[][],
  x: Float32Array,
  cols: number,
  group: LoraGroup,
): void {
  const modules = LORA_GROUPS[group];
  for (let i = 0; i < actual.length; i++) {
    const r = i % (4 * RANK4);
    const m = Math.floor(i / (4 * RANK4)) % modules.length;
    const j = Math.floor(i / (4 * RANK4 * modules.length)) % ENTRIES;
    const t = Math.floor(i / (4 * RANK4 * modules.length * ENTRIES));
    const entry = lists[t][j];
    const lora = entry?.adapter === undefined ? undefined : ADAPTERS[entry.adapter][modules[m]];
    const what = `token ${t}, entry ${j}, module ${m}, row ${r}`;
    if (lora === undefined || r >= 4 * Math.ceil(lora.rank / 4)) assert.ok(isUnwritten(actual, i), what);
    else if (r >= lora.rank) assert.equal(actual[i], 0, what);
    else {
      const a = lora.a.subarray(r * cols, (r + 1) * cols);
      const { y, magnitude } = linearReference(a, x.subarray(t * cols, (t + 1) * cols), 1, cols, 1);
      const gate = Math.fround(entry.gate);
      checkClose([actual[i]], [gate * y[0]], 1e-5, [gate * magnitude[0]]);
    }
  }
}

/** y with what its tokens' adapters add, in float64. */
function withDeltas(
  y: Float32Array,
  lists: readonly CaseEntry[][],
  x: Float32Array<ArrayBuffer>,
  cols: number,
  group: LoraGroup,
): Float64Array {
  const tokens = lists.length;
  const all = y.length / tokens;
  const out = Float64Array.from(y);
  const gates = gatesOf(lists, ADAPTERS.length);
  let first = 0;
  for (const name of LORA_GROUPS[group]) {
    assert.ok(LORA_MODULES.includes(name));
    const rows = moduleShape(CONFIG, name)[0];
    const pairs = ADAPTERS.map((modules) => modules[name]);
    const delta = loraDelta(x.subarray(0, tokens * cols), pairs, gates, cols, rows);
    for (const [i, value] of delta.entries()) out[Math.floor(i / rows) * all + first + (i % rows)] += value;
    first += rows;
  }
  return out;
}
