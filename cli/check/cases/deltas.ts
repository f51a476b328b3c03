// LoRA deltas of a group of modules on a device: shrunk vectors that ride along with the linear layer (gather), and, where
// a device sorts many tokens' adapters, tiles and planes behind it (segmented).

import { allocateFrom, type Device } from "../../../engine/device/device.ts";
import type { View } from "../../../engine/device/memory.ts";
import type { ModelConfig } from "../../../files/families/config.ts";
import { firstModule, groupRows, LORA_GROUPS, type LoraGroup, moduleShape } from "../../../files/families/modules.ts";
import { launch } from "../../../shaders/kernel.ts";
import { linear } from "../../../shaders/layer/linear.ts";
import type { AdapterDtype } from "../../../shaders/lora/adapter_dtype.ts";
import { expandSegmented } from "../../../shaders/lora/expand_segmented.ts";
import type { LoraForm, LoraShape, LoraUse } from "../../../shaders/lora/lora_form.ts";
import { MAX_SORT, segments } from "../../../shaders/lora/segments.ts";
import { shrinkSegmented } from "../../../shaders/lora/shrink_segmented.ts";
import type { StepShape } from "../../../shaders/step.ts";
import type { Compared } from "../case.ts";
import { runOnce, stepShape, stepUniform } from "../compute.ts";
import { Output } from "../output.ts";
import { randomFloats } from "../random.ts";
import { linearReference } from "../reference/linear.ts";
import { loraDelta } from "../reference/lora_delta.ts";
import {
  type CaseEntry,
  caseAdapters,
  ENTRIES,
  gatesOf,
  heldAdapters,
  type Modules,
  placeAdapters,
  RANK4,
  tableOf,
} from "./adapters.ts";
import { caseWeights } from "./weights.ts";

/** Sums of some hundred f32 terms. */
const TOLERANCE = 2e-5;
const MAX_TOKENS = 80;
const FREE_PAGES = 8;

export type DeltaForm = Exclude<LoraForm, "none">;

export interface Group {
  config: ModelConfig;
  group: LoraGroup;
  lists: readonly CaseEntry[][];
  /** What adapters are held in. Default f32. */
  dtype?: AdapterDtype;
}

/** What a consumer of the linear layer's output binds, and what that output is with the deltas. */
export interface Deltas {
  lora: LoraUse;
  views: { step: View; y: View; table: View; shrunk: View; planes: View; adapters: View };
  shape: StepShape;
  /** The adapters' runs, and the first of the free pages behind them. */
  pool: Float32Array<ArrayBuffer>;
  firstPage: number;
  /** [T, rows of the group], float64. */
  expected: Float64Array;
  /** The linear layer's own output, and A · x. */
  compared: Compared[];
}

export async function deltasOf(
  device: Device,
  { config, group, lists, dtype = "f32" }: Group,
  form: DeltaForm,
): Promise<Deltas> {
  const tokens = lists.length;
  const rows = groupRows(config, group);
  const all = rows.reduce((sum, count) => sum + count, 0);
  const cols = moduleShape(config, LORA_GROUPS[group][0])[1];
  const exact = caseAdapters(config);
  const adapters = heldAdapters(exact, dtype);
  const pageFloats = 2 * 16 * config.numKvHeads * config.headDim;
  const { pool, addresses, firstPage } = placeAdapters(exact, pageFloats, FREE_PAGES, dtype);
  const { views: matrix, values } = await caseWeights(device, "f32", [all, cols], 5);
  const entries = Math.max(0, ...lists.map((list) => list.length));
  const shape = stepShape({ tokens, sequences: 1, entries, maxRank4: RANK4, adapters: adapters.length });
  const use: LoraShape = {
    firstModule: firstModule(group),
    rows,
    entries: ENTRIES,
    rank4: RANK4,
    maxTokens: MAX_TOKENS,
    dtype,
  };
  const x = randomFloats(tokens * cols, 7);
  const shrunk = new Output(device, MAX_TOKENS * ENTRIES * rows.length * RANK4 * 4);
  const planes = new Output(device, ENTRIES * MAX_TOKENS * all);
  const y = new Output(device, tokens * all);
  const step = stepUniform(device, shape);
  const table = allocateFrom(device, "table", tableOf(lists, addresses));
  const inPool = allocateFrom(device, "pool", pool);
  const along = { table, shrunk: shrunk.view };

  const facts = { format: "f32", rows: all, cols, activations: "f32", tokens: 2 } as const;
  const bound = { ...matrix, step, x: allocateFrom(device, "x", x), y: y.view, adapters: inPool };
  const launches =
    form === "gather"
      ? [launch(linear, { ...facts, shrink: use }, { ...bound, ...along, xf: bound.x })]
      : [launch(linear, facts, bound), ...sorted(device, use, cols, { ...bound, ...along, planes: planes.view })];
  await runOnce(device, launches, shape);

  const base = linearReference(values, x, all, cols, tokens);
  const reference = { lists, adapters, group, x, cols, rows, base: base.y };
  const delta = joinedDeltas(reference, gatesOf(lists, adapters.length));
  return {
    lora: { form, shape: use },
    views: { step, y: y.view, ...along, planes: planes.view, adapters: inPool },
    shape,
    pool,
    firstPage,
    expected: base.y.map((value, i) => value + delta[i]),
    compared: [
      { actual: await y.read(), expected: base.y, tolerance: 1e-5, scale: base.magnitude },
      compareShrunk(reference, await shrunk.read()),
      ...(form === "segmented" ? [comparePlanes(reference, await planes.read(), all)] : []),
    ],
  };
}

/** Tiles of the table's entries by adapter, A · x of each tile, and its plane of deltas. */
function sorted(device: Device, shape: LoraShape, inputs: number, views: Record<string, View>) {
  const order = allocateFrom(device, "order", new Uint32Array(MAX_SORT).fill(0x00ffffff));
  const tiles = allocateFrom(device, "tiles", new Uint32Array(4 * (MAX_SORT / 16 + MAX_SORT)).fill(0x00ffffff));
  const tile_count = device.allocate("tile count", 4);
  const bound = { ...views, order, tiles, tile_count, pool: views.adapters };
  return [
    launch(segments, { entries: ENTRIES, sort: MAX_TOKENS * ENTRIES }, bound),
    launch(shrinkSegmented, { inputs, shape }, bound),
    launch(expandSegmented, shape, bound),
  ];
}

interface Reference {
  lists: readonly CaseEntry[][];
  adapters: readonly Modules[];
  group: LoraGroup;
  /** [T, cols] */
  x: Float32Array;
  cols: number;
  /** Of each module. */
  rows: readonly number[];
  /** The linear layer's own output, [T, rows of the group]. */
  base: Float64Array;
}

/** What adapters add at the given gates, the group's modules side by side: [T, rows of the group]. */
function joinedDeltas({ lists, adapters, group, x, cols, rows, base }: Reference, gates: Float64Array): Float64Array {
  const all = rows.reduce((sum, count) => sum + count, 0);
  const joined = new Float64Array(lists.length * all);
  let at = 0;
  for (const [m, name] of LORA_GROUPS[group].entries()) {
    const modules = adapters.map((adapter) => adapter[name]);
    const own = base.filter((_, i) => i % all >= at && i % all < at + rows[m]);
    const part = loraDelta(x, modules, gates, cols, rows[m], own);
    for (const t of lists.keys()) joined.set(part.subarray(t * rows[m], (t + 1) * rows[m]), t * all + at);
    at += rows[m];
  }
  return joined;
}

/** gate · A · x of every entry, module and rank. What no adapter fills is left out. */
function compareShrunk({ lists, adapters, group, x, cols, rows }: Reference, shrunk: Float32Array): Compared {
  const [actual, expected, scale]: number[][] = [[], [], []];
  for (const [t, list] of lists.entries()) {
    for (const [j, { adapter, gate }] of list.entries()) {
      if (adapter === undefined) continue;
      for (const [m, name] of LORA_GROUPS[group].entries()) {
        const { a, rank } = adapters[adapter][name] ?? { a: new Float32Array(0), rank: 0 };
        const low = linearReference(a, x.subarray(t * cols, (t + 1) * cols), rank, cols, 1);
        const at = ((t * ENTRIES + j) * rows.length + m) * RANK4 * 4;
        actual.push(...shrunk.subarray(at, at + rank));
        expected.push(...low.y.map((value) => Math.fround(gate) * value));
        scale.push(...low.magnitude.map((value) => gate * value));
      }
    }
  }
  return { actual, expected, tolerance: TOLERANCE, scale };
}

/** The deltas of each entry by itself. */
function comparePlanes(reference: Reference, planes: Float32Array, all: number): Compared {
  const { lists, adapters } = reference;
  const [actual, expected]: number[][] = [[], []];
  for (let j = 0; j < ENTRIES; j++) {
    const only = lists.map((list) => list.slice(j, j + 1));
    const delta = joinedDeltas(reference, gatesOf(only, adapters.length));
    for (const [t, [entry]] of only.entries()) {
      if (entry?.adapter === undefined) continue;
      const at = (j * MAX_TOKENS + t) * all;
      actual.push(...planes.subarray(at, at + all));
      expected.push(...delta.subarray(t * all, (t + 1) * all));
    }
  }
  return { actual, expected, tolerance: TOLERANCE };
}
