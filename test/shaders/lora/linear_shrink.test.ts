// LoRA rows that ride along with a linear layer, against float64: mixed ranks, every routing skew, both bodies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { launch } from "../../../engine/gpu/program.ts";
import type { ModelConfig } from "../../../files/families/config.ts";
import { firstModule, LORA_GROUPS, type LoraGroup } from "../../../files/families/modules.ts";
import type { StoredType } from "../../../files/weights/tensor.ts";
import type { ActivationForm } from "../../../shaders/activation_form.ts";
import { linearGrid, linearPipeline, type Tile } from "../../../shaders/linear.ts";
import { quantizeGrid, quantizePipeline } from "../../../shaders/quantize.ts";
import { linearReference } from "../../reference/linear.ts";
import { checkClose, GuardedOutput, isUnwritten, openTestGpu, run, withoutSubgroups } from "../device.ts";
import { linearCase, randomTensor, writeStep } from "../linear_case.ts";
import { caseAdapters, ENTRIES, listsOf, mostEntries, placeModules, RANK4, SKEWS, tableOf } from "../lora_case.ts";

/** Only widths matter here. 96 columns: an even number of vec4s; 36: an odd one, and no block of 32. */
const configOf = (hiddenSize: number): ModelConfig => ({
  architecture: "LlamaForCausalLM",
  hiddenSize,
  numLayers: 1,
  numHeads: 2,
  numKvHeads: 1,
  headDim: 20,
  intermediateSize: 60,
  vocabSize: 10,
  contextLength: 100,
  normEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: { type: "none" },
  tieEmbeddings: true,
  bosId: 0,
  eosIds: [0],
});

/** Sums of at most 96 f32 terms, and the gate's product, against Σ|a·x|. */
const TOLERANCE = 1e-5;
const TOKENS = [1, 3, 9];

const CASES: { group: LoraGroup; rows: number[]; cols: number; type: StoredType; activations: ActivationForm }[] = [
  { group: "qkv", rows: [40, 20, 20], cols: 36, type: "f32", activations: "f32" },
  { group: "qkv", rows: [40, 20, 20], cols: 96, type: "q4_1", activations: "q8" },
  { group: "gateUp", rows: [60, 60], cols: 96, type: "f16", activations: "f32" },
];
const TILES: Tile[] = [
  { rows: 2, tokens: 1 },
  { rows: 1, tokens: 2 },
];

for (const body of ["rowPerThread", "workgroupPerRows"] as const) {
  for (const { group, rows, cols, type, activations } of CASES) {
    test(`shrink of ${group} beside ${type} weights, ${activations} activations, ${body}`, async () => {
      const { device } = await openTestGpu(body);
      const adapters = caseAdapters(configOf(cols));
      const { pool, addresses } = placeModules(adapters, 256, 1);
      const total = rows.reduce((sum, count) => sum + count, 0);
      const c = await linearCase(device, [randomTensor(type, total, cols, 3)], Math.max(...TOKENS));
      const { format, shards } = c.weights;
      const bound = { ...c.views, quants: shards[0].quants, scales: shards[0].scales, xf: c.views.x };
      if (activations === "q8") {
        const pipeline = await quantizePipeline(gpu, cols);
        await run(device, [launch(gpu, pipeline, c.views, quantizeGrid(cols))], { tokens: Math.max(...TOKENS) });
        bound.x = c.views.xq;
      }
      const poolView = allocateFrom(device, "pool", pool);
      const shape = { firstModule: firstModule(group), rows, entries: ENTRIES, rank4: RANK4, maxTokens: 16 };
      const choosers = type === "f32" ? [gpu, withoutSubgroups(gpu)] : [gpu];
      for (const [tile, chooser] of TILES.flatMap((tile) => choosers.map((chooser) => [tile, chooser] as const))) {
        const base = { format, rows: total, cols, activations, tile };
        const plain = await linearPipeline(chooser, base);
        const facts = { ...base, shrink: shape };
        const pipeline = await linearPipeline(chooser, facts);
        for (const tokens of TOKENS) {
          for (const skew of SKEWS) {
            const lists = listsOf(skew, tokens, adapters.length);
            const step = { tokens, rows: 0, entries: mostEntries(lists), maxRank4: RANK4 };
            writeStep(device, c.views.step, tokens, 0, step.entries);
            const table = allocateFrom(device, "table", tableOf(lists, addresses));
            const shrunk = new GuardedOutput(device, tokens * ENTRIES * rows.length * 4 * RANK4);
            const y = new GuardedOutput(device, tokens * total);
            const alone = new GuardedOutput(device, tokens * total);
            const views = { ...bound, table, adapters: poolView, shrunk: shrunk.view, y: y.view };
            run(
              gpu,
              [
                launch(gpu, pipeline, views, linearGrid(gpu, facts)),
                launch(gpu, plain, { ...bound, y: alone.view }, linearGrid(gpu, base)),
              ],
              step,
            );
            assert.deepEqual(await y.read(), await alone.read(), "LoRA rows change the base rows");
            checkShrunk(await shrunk.read(), lists);
          }
        }
      }

      /** Every cell: the reference, 0 up to the padded rank, and untouched beyond and where no adapter is met. */
      function checkShrunk(actual: Float32Array, lists: ReturnType<typeof listsOf>): void {
        for (let i = 0; i < actual.length; i++) {
          const r = i % (4 * RANK4);
          const m = Math.floor(i / (4 * RANK4)) % rows.length;
          const j = Math.floor(i / (4 * RANK4 * rows.length)) % ENTRIES;
          const t = Math.floor(i / (4 * RANK4 * rows.length * ENTRIES));
          const entry = lists[t][j];
          const lora = entry?.adapter === undefined ? undefined : adapters[entry.adapter][LORA_GROUPS[group][m]];
          if (lora === undefined || r >= 4 * Math.ceil(lora.rank / 4)) {
            assert.ok(isUnwritten(actual, i), `token ${t}, entry ${j}, module ${m}, row ${r} was written`);
          } else if (r >= lora.rank) {
            assert.equal(actual[i], 0, `padding of token ${t}, entry ${j}, module ${m}, row ${r}`);
          } else {
            const a = lora.a.subarray(r * cols, (r + 1) * cols);
            const { y, magnitude } = linearReference(a, c.x.subarray(t * cols, (t + 1) * cols), 1, cols, 1);
            const gate = Math.fround(entry.gate);
            checkClose([actual[i]], [gate * y[0]], TOLERANCE, [gate * magnitude[0]]);
          }
        }
      }
    });
  }
}
