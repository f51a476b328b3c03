// Both ways to LoRA deltas on the device, for tests: shrunk vectors riding along with the linear layer (gather), and
// sorted tiles with planes behind it (segmented).

import {
  type CaseEntry,
  caseAdapters,
  ENTRIES,
  gatesOf,
  heldAdapters,
  type Modules,
  mostEntries,
  type PlacedAdapters,
  placeAdapters,
  RANK4,
  tableOf,
} from "../../cli/check/cases/adapters.ts";
import { loraDelta } from "../../cli/check/reference/lora_delta.ts";
import { allocateFrom, type Device } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { firstModule, groupRows, LORA_GROUPS, type LoraGroup, moduleShape } from "../../files/families/modules.ts";
import { launch } from "../../shaders/kernel.ts";
import { linear } from "../../shaders/layer/linear.ts";
import type { AdapterDtype } from "../../shaders/lora/adapter_dtype.ts";
import { expandSegmented } from "../../shaders/lora/expand_segmented.ts";
import type { LoraForm, LoraShape } from "../../shaders/lora/lora_form.ts";
import { MAX_SORT, segments } from "../../shaders/lora/segments.ts";
import { shrinkSegmented } from "../../shaders/lora/shrink_segmented.ts";
import type { StepShape } from "../../shaders/step.ts";
import { run } from "./device.ts";
import { type LinearCase, linearCase, randomTensor } from "./linear_case.ts";
import { Output } from "./outputs.ts";
import { stepShape, writeStep } from "./step_case.ts";

export const MAX_TOKENS = 80;
export const FREE_PAGES = 8;
const TILES = MAX_SORT / 16 + MAX_SORT;

export type DeltaForm = Exclude<LoraForm, "none">;

/** What one form of a group left behind for one set of lists. */
export interface Deltas {
  /** What consumers bind. */
  views: { table: View; shrunk: View; planes: View; adapters: View };
  shrunk: Output;
  /** Written by the segmented form alone. */
  planes: Output;
  shape: StepShape;
}

export class LoraForms {
  /** As they are held. */
  readonly adapters: Modules[];
  readonly shape: LoraShape;
  readonly step: View;
  readonly #group: LoraGroup;
  readonly #device: Device;
  readonly #linear: LinearCase;
  /** The adapters, and FREE_PAGES pages of KV behind them. */
  readonly placed: PlacedAdapters;
  readonly #pool: View;

  /** A linear layer of the group's shape with random weights, and adapters for it in a pool. */
  static async create(
    device: Device,
    config: ModelConfig,
    group: LoraGroup,
    dtype: AdapterDtype = "f32",
  ): Promise<LoraForms> {
    const rows = groupRows(config, group);
    const cols = moduleShape(config, LORA_GROUPS[group][0])[1];
    const all = rows.reduce((sum, count) => sum + count, 0);
    const linear = await linearCase(device, [randomTensor("f32", all, cols, 5)], MAX_TOKENS);
    const sizes = { entries: ENTRIES, rank4: RANK4, maxTokens: MAX_TOKENS, dtype };
    const shape = { firstModule: firstModule(group), rows, ...sizes };
    return new LoraForms(device, config, group, shape, linear);
  }

  private constructor(device: Device, config: ModelConfig, group: LoraGroup, shape: LoraShape, linear: LinearCase) {
    this.#device = device;
    this.#group = group;
    this.shape = shape;
    this.#linear = linear;
    this.step = linear.views.step;
    const exact = caseAdapters(config);
    this.adapters = heldAdapters(exact, shape.dtype ?? "f32");
    this.placed = placeAdapters(exact, 2 * 16 * config.numKvHeads * config.headDim, FREE_PAGES, shape.dtype);
    this.#pool = allocateFrom(device, "pool", this.placed.pool);
  }

  /** The linear layer's output without deltas, and the deltas of one form for the lists of a step's tokens. */
  async run(form: DeltaForm, lists: readonly CaseEntry[][]): Promise<Deltas & { y: Output }> {
    const tokens = lists.length;
    const entries = mostEntries(lists);
    const shape = stepShape({ tokens, sequences: 1, entries, maxRank4: RANK4, adapters: this.adapters.length });
    const { rows } = this.shape;
    const all = rows.reduce((sum, count) => sum + count, 0);
    const shrunk = new Output(this.#device, MAX_TOKENS * ENTRIES * rows.length * RANK4 * 4);
    const planes = new Output(this.#device, ENTRIES * MAX_TOKENS * all);
    const y = new Output(this.#device, tokens * all);
    const table = allocateFrom(this.#device, "table", tableOf(lists, this.placed.addresses));
    writeStep(this.#device, this.step, shape);
    await this.#project(shape, y.view, form === "gather" ? { table, shrunk: shrunk.view } : undefined);
    if (form === "segmented")
      await this.#segmented(shape, { table, shrunk: shrunk.view, planes: planes.view, y: y.view });
    const views = { table, shrunk: shrunk.view, planes: planes.view, adapters: this.#pool };
    return { views, shrunk, planes, y, shape };
  }

  /** The deltas in float64, [T, group's rows]; `base`: the linear layer's own output. */
  expected(lists: readonly CaseEntry[][], base: Float32Array): Float64Array {
    const cols = this.#linear.weights.cols;
    const x = this.#linear.x.subarray(0, lists.length * cols);
    const gates = gatesOf(lists, this.adapters.length);
    const { rows } = this.shape;
    const all = rows.reduce((sum, count) => sum + count, 0);
    const deltas = LORA_GROUPS[this.#group].map((name, i) => {
      const modules = this.adapters.map((adapter) => adapter[name]);
      const first = rows.slice(0, i).reduce((sum, count) => sum + count, 0);
      const own = base.filter((_, at) => at % all >= first && at % all < first + rows[i]);
      return loraDelta(x, modules, gates, cols, rows[i], own);
    });
    return joinRows(deltas, lists.length);
  }

  /** rank4 of the group's modules of an adapter, 0 where it lacks one. */
  ranks4(adapter: number): number[] {
    return LORA_GROUPS[this.#group].map((name) => Math.ceil((this.adapters[adapter][name]?.rank ?? 0) / 4));
  }

  async #project(shape: StepShape, y: View, along: { table: View; shrunk: View } | undefined): Promise<void> {
    const { weights, views } = this.#linear;
    const { rows, cols, shards } = weights;
    const { format, quants, scales } = shards[0];
    const facts = { format, rows, cols, activations: "f32", tokens: 2 } as const;
    const asked = along === undefined ? facts : { ...facts, shrink: this.shape };
    const bound = { ...views, quants, scales, y, adapters: this.#pool, xf: views.x, ...along };
    await run(this.#device, [launch(linear, asked, bound)], shape);
  }

  async #segmented(shape: StepShape, views: Record<"table" | "shrunk" | "planes" | "y", View>): Promise<void> {
    const { table, shrunk } = views;
    const order = allocateFrom(this.#device, "order", new Uint32Array(MAX_SORT).fill(0x00ffffff));
    const tiles = allocateFrom(this.#device, "tiles", new Uint32Array(4 * TILES).fill(0x00ffffff));
    const tile_count = this.#device.allocate("tile count", 4);
    const sorted = { order, tiles, tile_count, pool: this.#pool };
    const { x } = this.#linear.views;
    const sort = { entries: ENTRIES, sort: MAX_TOKENS * ENTRIES };
    const shrink = { inputs: this.#linear.weights.cols, shape: this.shape };
    const launches = [
      launch(segments, sort, { step: this.step, table, order, tiles, tile_count }),
      launch(shrinkSegmented, shrink, { table, x, shrunk, ...sorted }),
      launch(expandSegmented, this.shape, { ...views, ...sorted }),
    ];
    await run(this.#device, launches, shape);
  }
}

/** Matrices [T, rows_i] side by side. */
function joinRows(parts: readonly Float64Array[], tokens: number): Float64Array {
  const widths = parts.map((part) => part.length / tokens);
  const all = widths.reduce((sum, width) => sum + width, 0);
  const joined = new Float64Array(tokens * all);
  let at = 0;
  for (const [i, part] of parts.entries()) {
    for (let t = 0; t < tokens; t++) joined.set(part.subarray(t * widths[i], (t + 1) * widths[i]), t * all + at);
    at += widths[i];
  }
  return joined;
}
