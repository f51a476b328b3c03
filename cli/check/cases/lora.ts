// The kernels that add LoRA deltas to a linear layer's output, behind those that compute them: every routing skew.

import { allocateFrom, type Device } from "../../../engine/device/device.ts";
import { rotations } from "../../../engine/model/rotations.ts";
import type { ModelConfig } from "../../../files/families/config.ts";
import type { LoraGroup } from "../../../files/families/modules.ts";
import { launch } from "../../../shaders/kernel.ts";
import { activation } from "../../../shaders/layer/activation.ts";
import { finalNorm } from "../../../shaders/layer/final_norm.ts";
import { norm } from "../../../shaders/layer/norm.ts";
import { ropeKv } from "../../../shaders/layer/rope_kv.ts";
import { ADAPTER_DTYPES } from "../../../shaders/lora/adapter_dtype.ts";
import { rowSquares } from "../../../shaders/lora/row_squares.ts";
import { LOGIT_ROW } from "../../../shaders/step.ts";
import { wordBuffer } from "../../../shaders/struct.ts";
import type { Compared, KernelCase } from "../case.ts";
import { compute, runOnce, stepShape } from "../compute.ts";
import { Output } from "../output.ts";
import { randomFloats } from "../random.ts";
import { rowSquaresReference } from "../reference/linear.ts";
import { rmsNorm } from "../reference/rms_norm.ts";
import { rope, ropeFrequencies } from "../reference/rope.ts";
import { swiglu } from "../reference/swiglu.ts";
import { listsOf, SKEWS } from "./adapters.ts";
import { type DeltaForm, type Deltas, deltasOf } from "./deltas.ts";
import { caseWeights, WEIGHT_TYPES, type WeightType } from "./weights.ts";

const TOLERANCE = 2e-5;
const TOKENS = [1, 7, 33];

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
const { hiddenSize: HIDDEN, intermediateSize: FFN, numHeads, numKvHeads, headDim, normEps } = CONFIG;
const Q_ROWS = numHeads * headDim;
const KV_ROWS = numKvHeads * headDim;
const PAGE_FLOATS = 2 * 16 * KV_ROWS;

interface Consumer {
  kernel: string;
  group: LoraGroup;
  run(device: Device, deltas: Deltas): Promise<Compared[]>;
}

export function loraCases(): KernelCase[] {
  return [...WEIGHT_TYPES.map(rowSquaresCase), ...consumerCases()];
}

/** Lengths of a matrix's rows, in every format that a device holds. */
function rowSquaresCase(type: WeightType): KernelCase {
  // Whole blocks of every stored format.
  const [rows, cols] = [70, 256];
  return {
    kernel: "row_squares",
    name: type,
    async run(device) {
      const { format, views, values } = await caseWeights(device, type, [rows, cols], 3);
      const facts = { format, cols, firstRow: 0, rows };
      const arrays = { squares: new Float32Array(rows) };
      const { squares } = await compute(device, rowSquares, facts, stepShape({}), arrays, { views });
      return [{ actual: squares, expected: rowSquaresReference(values, rows, cols), tolerance: TOLERANCE }];
    },
  };
}

/** Every skew with factors as f32; the narrower dtypes, which differ in how a factor is read, on the raggedest. */
const HELD = ADAPTER_DTYPES.flatMap((dtype) =>
  (dtype === "f32" ? SKEWS : (["ragged"] as const)).map((skew) => ({ dtype, skew })),
);

function consumerCases(): KernelCase[] {
  return CONSUMERS.flatMap((consumer) =>
    (["gather", "segmented"] as const).flatMap((form) =>
      HELD.flatMap(({ dtype, skew }) =>
        TOKENS.map(
          (tokens): KernelCase => ({
            kernel: `${consumer.kernel} + LoRA, ${form}`,
            name: `${skew}, ${tokens} tokens${dtype === "f32" ? "" : `, ${dtype}`}`,
            ...onlyFor(form),
            async run(device) {
              const lists = listsOf(skew, tokens, 10);
              const deltas = await deltasOf(device, { config: CONFIG, group: consumer.group, lists, dtype }, form);
              return [...deltas.compared, ...(await consumer.run(device, deltas))];
            },
          }),
        ),
      ),
    ),
  );
}

/** Only GPUs sort adapters into segments. */
function onlyFor(form: DeltaForm): Pick<KernelCase, "only"> {
  return form === "segmented" ? { only: "gpu" } : {};
}

const residual = (tokens: number) => randomFloats(tokens * HIDDEN, 21);
const weight = randomFloats(HIDDEN, 22);

const CONSUMERS: Consumer[] = [
  {
    kernel: "norm",
    group: "o",
    async run(device, { lora, views, shape, expected }) {
      const before = residual(shape.tokens);
      const sums = new Output(device, before.length, before);
      const x = new Output(device, before.length);
      const bound = { ...views, output: views.y, weight: allocateFrom(device, "w", weight), residual: sums.view };
      const facts = { hidden: HIDDEN, eps: normEps, add: true, lora };
      await runOnce(device, [launch(norm, facts, { ...bound, x: x.view })], shape);
      const sum = expected.map((value, i) => value + before[i]);
      return [
        { actual: await sums.read(), expected: sum, tolerance: TOLERANCE },
        { actual: await x.read(), expected: rmsNorm(sum, weight, normEps), tolerance: TOLERANCE },
      ];
    },
  },
  {
    kernel: "final_norm",
    group: "down",
    async run(device, { lora, views, shape, expected }) {
      const { tokens } = shape;
      // Tokens whose logits are wanted, in no order.
      const wanted = Array.from({ length: Math.ceil(tokens / 2) }, (_, r) => (r * 5 + tokens - 1) % tokens);
      const rows = wordBuffer(wanted.length * LOGIT_ROW.bytes);
      for (const [r, token] of wanted.entries()) LOGIT_ROW.write(rows, r * LOGIT_ROW.words, { token });
      const before = residual(tokens);
      const x = new Output(device, wanted.length * HIDDEN);
      const bound = {
        ...views,
        output: views.y,
        logit_rows: allocateFrom(device, "rows", rows.words),
        weight: allocateFrom(device, "w", weight),
        residual: allocateFrom(device, "residual", before),
        x: x.view,
      };
      const facts = { hidden: HIDDEN, eps: normEps, lora };
      await runOnce(device, [launch(finalNorm, facts, bound)], { ...shape, rows: wanted.length });
      const all = rmsNorm(
        expected.map((value, i) => value + before[i]),
        weight,
        normEps,
      );
      const chosen = wanted.flatMap((t) => [...all.subarray(t * HIDDEN, (t + 1) * HIDDEN)]);
      return [{ actual: await x.read(), expected: chosen, tolerance: TOLERANCE }];
    },
  },
  {
    kernel: "activation",
    group: "gateUp",
    async run(device, { lora, views, shape, expected }) {
      const x = new Output(device, shape.tokens * FFN);
      const bound = { ...views, gate_up: views.y, x: x.view };
      await runOnce(device, [launch(activation, { ffn: FFN, lora }, bound)], shape);
      const half = (first: number) => columns(expected, 2 * FFN, first, FFN);
      return [{ actual: await x.read(), expected: swiglu(half(0), half(FFN)), tolerance: TOLERANCE }];
    },
  },
  {
    kernel: "rope_kv",
    group: "qkv",
    async run(device, { lora, views, shape, expected, pool, firstPage }) {
      const positions = Array.from({ length: shape.tokens }, (_, t) => (t * 37) % CONFIG.contextLength);
      // Every token its own cell, scattered over the free pages.
      const cells = positions.map((_, t) => 16 * firstPage + ((t * 29) % 128));
      const q = new Output(device, shape.tokens * Q_ROWS);
      const written = new Output(device, pool.length, pool);
      const bound = {
        ...views,
        qkv: views.y,
        tokens: allocateFrom(
          device,
          "tokens",
          Uint32Array.from(cells.flatMap((cell, t) => [9, positions[t], 0, cell, positions[t], 0, 0, 0])),
        ),
        rotations: allocateFrom(device, "rotations", rotations(CONFIG, CONFIG.contextLength)),
        q: q.view,
        // It reads the adapters where it writes K and V.
        pool: written.view,
        adapters: written.view,
      };
      await runOnce(device, [launch(ropeKv, { numHeads, numKvHeads, headDim, lora }, bound)], shape);
      const frequencies = ropeFrequencies(headDim, CONFIG.ropeTheta, CONFIG.ropeScaling);
      const part = (first: number, count: number) => columns(expected, Q_ROWS + 2 * KV_ROWS, first, count);
      const k = rope(part(Q_ROWS, KV_ROWS), positions, numKvHeads, frequencies);
      const v = part(Q_ROWS + KV_ROWS, KV_ROWS);
      const kv = takeCells(await written.read(), cells);
      return [
        {
          actual: await q.read(),
          expected: rope(part(0, Q_ROWS), positions, numHeads, frequencies),
          tolerance: TOLERANCE,
        },
        { actual: kv.k, expected: k, tolerance: TOLERANCE },
        { actual: kv.v, expected: v, tolerance: TOLERANCE },
      ];
    },
  },
];

/** Columns [first, first + count) of rows that are `width` long. */
function columns(values: Float64Array, width: number, first: number, count: number): Float64Array {
  return values.filter((_, i) => i % width >= first && i % width < first + count);
}

/** K and V of the cells: [T, kvHeads · headDim] each. */
function takeCells(pool: Float32Array, cells: readonly number[]): { k: number[]; v: number[] } {
  const half = (first: number) =>
    cells.flatMap((cell) =>
      Array.from({ length: KV_ROWS }, (_, i) => {
        const head = first + Math.floor(i / headDim);
        return pool[Math.floor(cell / 16) * PAGE_FLOATS + (head * 16 + (cell % 16)) * headDim + (i % headDim)];
      }),
    );
  return { k: half(0), v: half(numKvHeads) };
}
