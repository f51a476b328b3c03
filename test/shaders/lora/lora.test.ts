// LoRA on the device in both forms, through every kernel that consumes deltas, against float64, on every routing skew.
// The lists of adapters are given; test/shaders/routing/route.test.ts has them chosen.

import assert from "node:assert/strict";
import { type CaseEntry, ENTRIES, listsOf, RANK4, SKEWS } from "../../../cli/check/cases/adapters.ts";
import { rmsNorm } from "../../../cli/check/reference/rms_norm.ts";
import { rope, ropeFrequencies } from "../../../cli/check/reference/rope.ts";
import { swiglu } from "../../../cli/check/reference/swiglu.ts";
import { allocateFrom, type Device } from "../../../engine/device/device.ts";
import type { View } from "../../../engine/device/memory.ts";
import { rotations } from "../../../engine/model/rotations.ts";
import type { ModelConfig } from "../../../files/families/config.ts";
import type { LoraGroup } from "../../../files/families/modules.ts";
import { decodeFloat16 } from "../../../files/weights/stored/float16.ts";
import { launch } from "../../../shaders/kernel.ts";
import { activation } from "../../../shaders/layer/activation.ts";
import { finalNorm } from "../../../shaders/layer/final_norm.ts";
import { norm } from "../../../shaders/layer/norm.ts";
import { type KvDtype, ropeKv } from "../../../shaders/layer/rope_kv.ts";
import { ADAPTER_DTYPES, type AdapterDtype } from "../../../shaders/lora/adapter_dtype.ts";
import type { LoraUse } from "../../../shaders/lora/lora_form.ts";
import { LOGIT_ROW, type StepShape } from "../../../shaders/step.ts";
import { checkClose, onEachDevice, randomFloats, run, SENTINEL } from "../device.ts";
import { FREE_PAGES, LoraForms, MAX_TOKENS } from "../lora_forms.ts";
import { checkSameBits, Output } from "../outputs.ts";

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
  /** Runs the kernel; gives all it wrote that the reference says something of. */
  run(bench: Bench, lora: LoraUse, views: Record<string, View>): Promise<Float32Array<ArrayBuffer>>;
  /** y: the linear layer's output with the deltas, float64. */
  expected(y: Float64Array, tokens: number): Float64Array;
  /** Default TOLERANCE. */
  tolerance?: number;
}

/** What consumers read beside the deltas. */
interface Bench {
  device: Device;
  forms: LoraForms;
  /** The linear layer's output, without deltas. */
  y: View;
  shape: StepShape;
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
  kv: KvDtype,
): number[] {
  // Words of a float each, or of two halves.
  const halves = kv === "f16" ? 2 : 1;
  const words = new Uint32Array(pool.buffer, pool.byteOffset, pool.length);
  const rest = pool.slice();
  const taken = cells.flatMap((cell) =>
    [0, 1].flatMap((half) =>
      Array.from({ length: KV_ROWS }, (_, i) => {
        const head = half * numKvHeads + Math.floor(i / headDim);
        const at = Math.floor(cell / 16) * PAGE + (head * 16 + (cell % 16)) * headDim + (i % headDim);
        rest[Math.floor(at / halves)] = before[Math.floor(at / halves)];
        return halves === 1 ? pool[at] : decodeFloat16((words[at >> 1] >> (16 * (at & 1))) & 0xffff);
      }),
    ),
  );
  checkSameBits(rest, before, "the pool beside the cells");
  return taken;
}

const CONSUMERS: Record<string, Consumer> = {
  norm: {
    group: "o",
    async run({ device, forms, y, shape }, lora, views) {
      const count = shape.tokens * HIDDEN;
      const x = new Output(device, count);
      const sums = new Output(device, count, residual.subarray(0, count));
      const inputs = { step: forms.step, output: y, weight: allocateFrom(device, "w", weight) };
      const bound = { ...inputs, residual: sums.view, x: x.view, ...views };
      const facts = { hidden: HIDDEN, eps: CONFIG.normEps, add: true, lora };
      await run(device, [launch(norm, facts, bound)], shape);
      return Float32Array.from([...(await sums.read()), ...(await x.read())]);
    },
    expected: (y) => Float64Array.from([...sum(y), ...rmsNorm(sum(y), weight, CONFIG.normEps)]),
  },
  final_norm: {
    group: "down",
    async run({ device, forms, y, shape }, lora, views) {
      const tokens = wanted(shape.tokens);
      const rows = new Uint32Array(tokens.length * LOGIT_ROW.words).fill(0xdead);
      for (const [r, token] of tokens.entries()) rows[r * LOGIT_ROW.words + LOGIT_ROW.at.token] = token;
      const x = new Output(device, tokens.length * HIDDEN);
      const inputs = {
        step: forms.step,
        logit_rows: allocateFrom(device, "rows", rows),
        weight: allocateFrom(device, "w", weight),
        residual: allocateFrom(device, "residual", residual),
        output: y,
      };
      const facts = { hidden: HIDDEN, eps: CONFIG.normEps, lora };
      const bound = { ...inputs, x: x.view, ...views };
      await run(device, [launch(finalNorm, facts, bound)], { ...shape, rows: tokens.length });
      return x.read();
    },
    expected: (y, tokens) => {
      const all = rmsNorm(sum(y), weight, CONFIG.normEps);
      return Float64Array.from(wanted(tokens).flatMap((t) => [...all.subarray(t * HIDDEN, (t + 1) * HIDDEN)]));
    },
  },
  activation: {
    group: "gateUp",
    async run({ device, forms, y, shape }, lora, views) {
      const x = new Output(device, shape.tokens * FFN);
      const bound = { step: forms.step, gate_up: y, x: x.view, ...views };
      await run(device, [launch(activation, { ffn: FFN, lora }, bound)], shape);
      return x.read();
    },
    expected: (y) => {
      const halves = [0, FFN].map((first) => y.filter((_, i) => i % (2 * FFN) >= first && i % (2 * FFN) < first + FFN));
      return swiglu(halves[0], halves[1]);
    },
  },
  rope_kv: rotated("f32"),
  "rope_kv of halves": { ...rotated("f16"), tolerance: 6e-4 },
};

/** `kv`: what K and V are kept in. */
function rotated(kv: KvDtype): Consumer {
  return {
    group: "qkv",
    async run({ device, forms, y, shape }, lora, views) {
      const { pool, firstPage } = forms.placed;
      const page = kv === "f16" ? 2 * firstPage : firstPage;
      const cells = Array.from({ length: shape.tokens }, (_, t) => 16 * page + cellOf(t));
      const tokens = new Uint32Array(cells.flatMap((cell, t) => [9, positionOf(t), 0, cell, positionOf(t), 0, 0, 0]));
      const q = new Output(device, shape.tokens * Q_ROWS);
      const written = new Output(device, pool.length, pool);
      const inputs = {
        step: forms.step,
        tokens: allocateFrom(device, "tokens", tokens),
        qkv: y,
        rotations: allocateFrom(device, "rotations", rotations(CONFIG, 700)),
      };
      // It reads the adapters where it writes K and V.
      const bound = { ...inputs, q: q.view, ...views, pool: written.view, adapters: written.view };
      await run(device, [launch(ropeKv, { numHeads, numKvHeads, headDim, kv, lora }, bound)], shape);
      const stored = takeCells(await written.read(), pool, cells, kv);
      return Float32Array.from([...(await q.read()), ...stored]);
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
  };
}

const CASES = Object.entries(CONSUMERS).flatMap(([name, consumer]) =>
  ADAPTER_DTYPES.map((dtype): [string, Consumer, AdapterDtype] => [`${name}, ${dtype}`, consumer, dtype]),
);

for (const [name, consumer, dtype] of CASES) {
  onEachDevice(`${name}: gather equals float64, on every skew`, async (device) => {
    const forms = await LoraForms.create(device, CONFIG, consumer.group, dtype);
    for (const [what, lists] of mixes(forms)) {
      const { views, shrunk, y, shape } = await forms.run("gather", lists);
      checkShrunk(forms, lists, await shrunk.readWords());
      const bench = { device, forms, y: y.view, shape };
      const gathered = await consumer.run(bench, { form: "gather", shape: forms.shape }, views);
      checkClose(gathered, expectedOf(consumer, forms, lists, await y.read()), consumer.tolerance ?? TOLERANCE);
      if (shape.entries > 0) continue;
      checkSameBits(await consumer.run(bench, { form: "none", shape: forms.shape }, views), gathered, `${what}, none`);
    }
  });

  const segmented = `${name}: segmented equals float64, and gather of the same shrunk vectors bit by bit, on every skew`;
  const check = async (device: Device) => {
    const forms = await LoraForms.create(device, CONFIG, consumer.group, dtype);
    for (const [what, lists] of mixes(forms)) {
      const { views, shrunk, planes, y, shape } = await forms.run("segmented", lists);
      checkShrunk(forms, lists, await shrunk.readWords());
      checkPlanes(forms, lists, await planes.readWords());
      const bench = { device, forms, y: y.view, shape };
      const through = await consumer.run(bench, { form: "segmented", shape: forms.shape }, views);
      checkClose(through, expectedOf(consumer, forms, lists, await y.read()), consumer.tolerance ?? TOLERANCE);
      checkSameBits(await consumer.run(bench, { form: "gather", shape: forms.shape }, views), through, what);
    }
  };
  onEachDevice(segmented, check, ["gpu"]);
}

/** Every skew on every number of tokens. */
function mixes(forms: LoraForms): [what: string, lists: CaseEntry[][]][] {
  return SKEWS.flatMap((skew) =>
    TOKENS.map((tokens): [string, CaseEntry[][]] => [
      `${skew}, ${tokens} tokens`,
      listsOf(skew, tokens, forms.adapters.length),
    ]),
  );
}

/** `base`: the linear layer's output as the device computed it. */
function expectedOf(
  consumer: Consumer,
  forms: LoraForms,
  lists: readonly CaseEntry[][],
  base: Float32Array,
): Float64Array {
  return consumer.expected(
    forms.expected(lists, base).map((delta, i) => delta + base[i]),
    lists.length,
  );
}

/** Written up to each entry's padded rank, and nowhere else. */
function checkShrunk(forms: LoraForms, lists: readonly CaseEntry[][], words: Uint32Array): void {
  const { rows } = forms.shape;
  for (const { t, j, adapter } of placesOf(lists)) {
    const ranks4 = adapter === undefined ? rows.map(() => 0) : forms.ranks4(adapter);
    for (const [m, rank4] of ranks4.entries()) {
      const at = ((t * ENTRIES + j) * rows.length + m) * RANK4 * 4;
      checkWritten(words.subarray(at, at + 4 * rank4), true);
      checkWritten(words.subarray(at + 4 * rank4, at + 4 * RANK4), false);
    }
  }
}

/** Written where an adapter is, and nowhere else. */
function checkPlanes(forms: LoraForms, lists: readonly CaseEntry[][], words: Uint32Array): void {
  const width = forms.shape.rows.reduce((all, count) => all + count, 0);
  for (const { t, j, adapter } of placesOf(lists)) {
    const at = (j * MAX_TOKENS + t) * width;
    checkWritten(words.subarray(at, at + width), adapter !== undefined);
  }
}

/** Every entry there is room for. */
function placesOf(lists: readonly CaseEntry[][]): { t: number; j: number; adapter: number | undefined }[] {
  return Array.from({ length: MAX_TOKENS * ENTRIES }, (_, i) => {
    const [t, j] = [Math.floor(i / ENTRIES), i % ENTRIES];
    return { t, j, adapter: lists[t]?.[j]?.adapter };
  });
}

function checkWritten(words: Uint32Array, written: boolean): void {
  assert.ok(words.every((word) => (word !== SENTINEL) === written));
}
