// Both ways to LoRA deltas on the device, for tests: shrunk vectors riding along with the linear layer (gather), and
// sorted tiles with planes behind it (segmented).
// It knows nothing of what consumes the deltas.

import type { Buffers, View } from "../../engine/gpu/buffers.ts";
import type { Gpu } from "../../engine/gpu/gpu.ts";
import { launch } from "../../engine/gpu/program.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { firstModule, groupRows, LORA_GROUPS, type LoraGroup, moduleShape } from "../../files/families/modules.ts";
import type { Build } from "../../shaders/compose.ts";
import { expandSegmented, expandSegmentedGrid } from "../../shaders/expand_segmented.ts";
import { linearGrid, linearPipeline } from "../../shaders/linear.ts";
import type { LoraForm, LoraShape } from "../../shaders/lora_form.ts";
import { MAX_SORT, segments, segmentsGrid } from "../../shaders/segments.ts";
import { shrinkSegmented, shrinkSegmentedGrid } from "../../shaders/shrink_segmented.ts";
import type { StepShape } from "../../shaders/step.ts";
import { loraDelta } from "../reference/lora_delta.ts";
import { run } from "./device.ts";
import { type LinearCase, linearCase, randomTensor, writeStep } from "./linear_case.ts";
import {
  type CaseEntry,
  caseAdapters,
  ENTRIES,
  gatesOf,
  type Modules,
  mostEntries,
  type PlacedModules,
  placeModules,
  RANK4,
  tableOf,
} from "./lora_case.ts";
import { Output } from "./outputs.ts";

export const MAX_TOKENS = 80;
export const FREE_PAGES = 8;
const TILES = MAX_SORT / 16 + MAX_SORT;

/** What the forms of a group left behind for one set of lists. `views` are what consumers bind. */
export interface Deltas {
  views: Record<Exclude<LoraForm, "none">, { table: View; shrunk: View; planes: View; adapters: View }>;
  shrunk: Record<Exclude<LoraForm, "none">, Output>;
  planes: Output;
  /** The linear layer's output, without deltas. */
  y: Output;
  /** Deltas in float64, [T, group's rows]. */
  expected: Float64Array;
  shape: StepShape;
}

export class LoraForms {
  readonly adapters: Modules[];
  readonly shape: LoraShape;
  readonly step: View;
  readonly #group: LoraGroup;
  readonly #gpu: Gpu;
  readonly #buffers: Buffers;
  readonly #linear: LinearCase;
  /** The adapters, and FREE_PAGES pages of KV behind them. */
  readonly placed: PlacedModules;
  readonly #pool: View;

  /** A linear layer of the group's shape with random weights, and adapters for it in a pool. */
  static async create(device: Device, config: ModelConfig, group: LoraGroup): Promise<LoraForms> {
    const rows = groupRows(config, group);
    const cols = moduleShape(config, LORA_GROUPS[group][0])[1];
    const all = rows.reduce((sum, count) => sum + count, 0);
    const linear = await linearCase(device, [randomTensor("f32", all, cols, 5)], MAX_TOKENS);
    return new LoraForms(
      gpu,
      buffers,
      config,
      group,
      { firstModule: firstModule(group), rows, entries: ENTRIES, rank4: RANK4, maxTokens: MAX_TOKENS },
      linear,
    );
  }

  private constructor(device: Device, config: ModelConfig, group: LoraGroup, shape: LoraShape, linear: LinearCase) {
    this.#gpu = gpu;
    this.#buffers = buffers;
    this.#group = group;
    this.shape = shape;
    this.#linear = linear;
    this.step = linear.views.step;
    this.adapters = caseAdapters(config);
    this.placed = placeModules(this.adapters, 2 * 16 * config.numKvHeads * config.headDim, FREE_PAGES);
    this.#pool = allocateFrom(device, "pool", this.placed.pool);
  }

  /** Runs both forms for the lists of a step's tokens. */
  async run(lists: readonly CaseEntry[][]): Promise<Deltas> {
    const tokens = lists.length;
    const entries = mostEntries(lists);
    const adapters = this.adapters.length;
    const shape = { tokens, sequences: 1, rows: 0, entries, maxRank4: RANK4, adapters, routed: false, gateWidth: 0 };
    const { rows } = this.shape;
    const all = rows.reduce((sum, count) => sum + count, 0);
    const words = MAX_TOKENS * ENTRIES * rows.length * RANK4 * 4;
    const shrunk = { gather: this.#output(words), segmented: this.#output(words) };
    const planes = this.#output(ENTRIES * MAX_TOKENS * all);
    const y = this.#output(tokens * all);
    const table = this.#allocateFrom(device, "table", tableOf(lists, this.placed.addresses));
    writeStep(this.#gpu, this.step, tokens, 0, entries);
    await this.#gather(shape, table, shrunk.gather.view, y.view);
    await this.#segmented(shape, table, shrunk.segmented.view, planes.view);
    const cols = this.#linear.weights.cols;
    const x = this.#linear.x.subarray(0, tokens * cols);
    const gates = gatesOf(lists, adapters);
    const deltas = LORA_GROUPS[this.#group].map((name, i) =>
      loraDelta(
        x,
        this.adapters.map((modules) => modules[name]),
        gates,
        cols,
        rows[i],
      ),
    );
    const views = (view: View) => ({ table, shrunk: view, planes: planes.view, adapters: this.#pool });
    return {
      views: { gather: views(shrunk.gather.view), segmented: views(shrunk.segmented.view) },
      shrunk,
      planes,
      y,
      expected: joinRows(deltas, tokens),
      shape,
    };
  }

  /** rank4 of the group's modules of an adapter, 0 where it lacks one. */
  ranks4(adapter: number): number[] {
    return LORA_GROUPS[this.#group].map((name) => Math.ceil((this.adapters[adapter][name]?.rank ?? 0) / 4));
  }

  #output(count: number): Output {
    return new Output(this.#gpu, this.#buffers, count);
  }

  async #gather(shape: StepShape, table: View, shrunk: View, y: View): Promise<void> {
    const { weights, views } = this.#linear;
    const { format, rows, cols, shards } = weights;
    const facts = { format, rows, cols, activations: "f32", tile: { rows: 2, tokens: 2 }, shrink: this.shape } as const;
    const pipeline = await linearPipeline(this.#gpu, facts);
    const { quants, scales } = shards[0];
    const bound = { ...views, quants, scales, y, table, adapters: this.#pool, shrunk, xf: views.x };
    run(this.#gpu, [launch(this.#gpu, pipeline, bound, linearGrid(this.#gpu, facts))], shape);
  }

  async #segmented(shape: StepShape, table: View, shrunk: View, planes: View): Promise<void> {
    const order = this.#allocateFrom(device, "order", new Uint32Array(MAX_SORT).fill(0x00ffffff));
    const tiles = this.#allocateFrom(device, "tiles", new Uint32Array(4 * TILES).fill(0x00ffffff));
    const tile_count = this.#device.allocate("tile count", 4);
    const sorted = { order, tiles, tile_count, pool: this.#pool };
    const { x } = this.#linear.views;
    const sort = segments({ entries: ENTRIES, sort: MAX_TOKENS * ENTRIES });
    const launches = [
      await this.#launch(sort, { step: this.step, table, order, tiles, tile_count }, segmentsGrid),
      await this.#launch(
        shrinkSegmented(this.#linear.weights.cols, this.shape),
        { table, x, shrunk, ...sorted },
        shrinkSegmentedGrid(this.shape.rows.length),
      ),
      await this.#launch(
        expandSegmented(this.shape),
        { shrunk, planes, ...sorted },
        expandSegmentedGrid(this.#linear.weights.rows),
      ),
    ];
    run(this.#gpu, launches, shape);
  }

  async #launch(build: Build, views: Record<string, View>, grid: typeof segmentsGrid) {
    return launch(this.#gpu, await this.#gpu.pipelines.get(build.kernel, build.constants), views, grid);
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
