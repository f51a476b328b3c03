// LoRA rows that ride along with a linear layer, against float64: mixed ranks, every routing skew.

import assert from "node:assert/strict";
import {
  caseAdapters,
  ENTRIES,
  heldAdapters,
  listsOf,
  mostEntries,
  placeAdapters,
  RANK4,
  SKEWS,
  tableOf,
} from "../../../cli/check/cases/adapters.ts";
import { linearReference } from "../../../cli/check/reference/linear.ts";
import { allocateFrom, type Device } from "../../../engine/device/device.ts";
import type { ModelConfig } from "../../../files/families/config.ts";
import { firstModule, LORA_GROUPS, type LoraGroup } from "../../../files/families/modules.ts";
import type { StoredType } from "../../../files/weights/stored/formats.ts";
import { launch } from "../../../shaders/kernel.ts";
import { type LinearFacts, linear } from "../../../shaders/layer/linear.ts";
import type { AdapterDtype } from "../../../shaders/lora/adapter_dtype.ts";
import { checkClose, GuardedOutput, isUnwritten, onEachDevice, run, withoutSubgroups } from "../device.ts";
import { linearCase, randomTensor } from "../linear_case.ts";
import { stepShape, writeStep } from "../step_case.ts";

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

/** Tokens that a launch is built for: on a GPU two tiles. */
const BUILT_FOR = [1, 2];

interface Case {
  group: LoraGroup;
  rows: number[];
  cols: number;
  type: StoredType;
  /** What adapters are held in. */
  dtype: AdapterDtype;
}

const CASES: Case[] = [
  { group: "qkv", rows: [40, 20, 20], cols: 36, type: "f32", dtype: "f32" },
  { group: "qkv", rows: [40, 20, 20], cols: 96, type: "q4_1", dtype: "f32" },
  { group: "gateUp", rows: [60, 60], cols: 96, type: "f16", dtype: "f32" },
  { group: "qkv", rows: [40, 20, 20], cols: 36, type: "f32", dtype: "f16" },
  { group: "qkv", rows: [40, 20, 20], cols: 36, type: "f32", dtype: "q8_0" },
  { group: "gateUp", rows: [60, 60], cols: 96, type: "q4_1", dtype: "q8_0" },
  { group: "qkv", rows: [40, 20, 20], cols: 36, type: "f32", dtype: "q4_0" },
];

for (const c of CASES) {
  onEachDevice(`shrink of ${c.group}, ${c.dtype}, beside ${c.type} weights`, (device) => checkCase(device, c));
}
const withoutThem = () => withoutSubgroups((device) => checkCase(device, CASES[0]));
onEachDevice("shrink without subgroups", withoutThem, ["gpu"]);

async function checkCase(device: Device, { group, rows, cols, type, dtype }: Case): Promise<void> {
  const exact = caseAdapters(configOf(cols));
  const adapters = heldAdapters(exact, dtype);
  const { pool, addresses } = placeAdapters(exact, 256, 1, dtype);
  const total = rows.reduce((sum, count) => sum + count, 0);
  const c = await linearCase(device, [randomTensor(type, total, cols, 3)], Math.max(...TOKENS));
  const { format, quants, scales } = c.weights.shards[0];
  const bound = { ...c.views, quants, scales, xf: c.views.x, adapters: allocateFrom(device, "pool", pool) };
  const shrink = { firstModule: firstModule(group), rows, entries: ENTRIES, rank4: RANK4, maxTokens: 16, dtype };
  for (const builtFor of BUILT_FOR) {
    const facts: LinearFacts = { format, rows: total, cols, activations: "f32", tokens: builtFor };
    for (const tokens of TOKENS) {
      for (const skew of SKEWS) {
        const lists = listsOf(skew, tokens, adapters.length);
        const shape = stepShape({ tokens, entries: mostEntries(lists), maxRank4: RANK4, adapters: adapters.length });
        writeStep(device, c.views.step, shape);
        const table = allocateFrom(device, "table", tableOf(lists, addresses));
        const shrunk = new GuardedOutput(device, tokens * ENTRIES * rows.length * 4 * RANK4);
        const y = new GuardedOutput(device, tokens * total);
        const alone = new GuardedOutput(device, tokens * total);
        const views = { ...bound, table, shrunk: shrunk.view, y: y.view };
        const launches = [
          launch(linear, { ...facts, shrink }, views),
          launch(linear, facts, { ...bound, y: alone.view }),
        ];
        await run(device, launches, shape);
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
}
