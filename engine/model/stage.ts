// One kind of step while its launches are put together: what all of them need, and how a linear layer is launched.
// It knows nothing of the order of layers (layer.ts, ends.ts).

import type { ModelConfig } from "../../files/families/config.ts";
import { firstModule, groupRows, type LoraGroup } from "../../files/families/modules.ts";
import type { ActivationForm } from "../../shaders/activation_form.ts";
import type { Build } from "../../shaders/compose.ts";
import { expandSegmented, expandSegmentedGrid } from "../../shaders/expand_segmented.ts";
import { linearGrid, linearPipeline, linearTile } from "../../shaders/linear.ts";
import type { LoraShape } from "../../shaders/lora_form.ts";
import { shrinkSegmented, shrinkSegmentedGrid } from "../../shaders/shrink_segmented.ts";
import type { StepShape } from "../../shaders/step.ts";
import type { View } from "../gpu/buffers.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { type Grid, type Launch, launch } from "../gpu/program.ts";
import type { Capacity, InputViews } from "./inputs.ts";
import type { LinearWeights } from "./linear_weights.ts";
import type { StepKind } from "./step_kind.ts";
import type { ModelWeights } from "./weights.ts";
import type { Activations, Workspace } from "./workspace.ts";

export interface ForwardParts {
  config: ModelConfig;
  capacity: Capacity;
  weights: ModelWeights;
  workspace: Workspace;
  inputs: InputViews;
  /** One buffer a layer: KV pages, adapters, routers. */
  pool: readonly View[];
  /** (cos, sin) by position. */
  rotations: View;
}

export type Launches = Launch<StepShape>[];

export class Stage {
  readonly gpu: Gpu;
  readonly parts: ForwardParts;
  readonly activations: ActivationForm;
  readonly kind: StepKind;

  constructor(gpu: Gpu, parts: ForwardParts, activations: ActivationForm, kind: StepKind) {
    this.gpu = gpu;
    this.parts = parts;
    this.activations = activations;
    this.kind = kind;
  }

  async launch(
    build: Build,
    grid: (shape: StepShape) => Grid,
    views: Readonly<Record<string, View>>,
  ): Promise<Launch<StepShape>> {
    const pipeline = await this.gpu.pipelines.get(build.kernel, build.constants);
    return launch(this.gpu, pipeline, views, grid);
  }

  /** A linear layer with the A side of its adapters: riding along (gather) or behind it, with the B side (segmented). */
  async linear(
    i: number,
    group: LoraGroup,
    weights: LinearWeights,
    inputs: number,
    { x, xq, xs }: Activations,
    y: View,
  ): Promise<Launches> {
    const { workspace, pool } = this.parts;
    const shape = this.loraShape(group);
    const table = this.table(i);
    const { format, rows, cols, shards } = weights;
    const form = this.formFor(weights);
    const tile = linearTile(this.gpu.body, format, this.kind.tokens);
    const launches: Launches = [];
    for (const [n, { quants, scales, ...shard }] of shards.entries()) {
      const shrink = this.kind.lora === "gather" && n === 0 ? { shrink: shape } : {};
      const facts = { format, rows, cols, shard, activations: form, tile, ...shrink };
      const pipeline = await linearPipeline(this.gpu, facts);
      const views = { step: this.parts.inputs.step, quants, scales, x: form === "q8" ? xq : x, xs, y };
      const lora = { table, adapters: pool[i]!, shrunk: workspace.shrunk, xf: x };
      launches.push(launch(this.gpu, pipeline, { ...views, ...lora }, linearGrid(this.gpu, facts)));
    }
    if (this.kind.lora !== "segmented") return launches;
    const sorted = { order: workspace.order, tiles: workspace.tiles, tile_count: workspace.tileCount, pool: pool[i]! };
    const { shrunk, planes } = workspace;
    const shrink = { table, x, shrunk, ...sorted };
    return [
      ...launches,
      await this.launch(shrinkSegmented(inputs, shape), shrinkSegmentedGrid(shape.rows.length), shrink),
      await this.launch(expandSegmented(shape), expandSegmentedGrid(rows), { shrunk, planes, ...sorted }),
    ];
  }

  /** int8 activations serve quantised weights; weights left as floats read f32. */
  formFor({ format }: LinearWeights): ActivationForm {
    return format === "q8_0" || format === "q4" ? this.activations : "f32";
  }

  /** The table layer i reads: its own where something is routed, else the one of all layers. */
  table(i: number): View {
    return this.parts.workspace.tables.layers[this.kind.routed ? i : 0]!;
  }

  /** What loraFragment binds. A kernel takes those its form names. */
  loraViews(i: number): Record<string, View> {
    const { workspace, pool } = this.parts;
    return {
      table: this.table(i),
      shrunk: workspace.shrunk,
      adapters: pool[i]!,
      planes: workspace.planes,
    };
  }

  loraShape(group: LoraGroup): LoraShape {
    const { config, capacity } = this.parts;
    const rows = groupRows(config, group);
    return {
      firstModule: firstModule(group),
      rows,
      entries: capacity.entries,
      rank4: capacity.rank4,
      maxTokens: capacity.tokens,
    };
  }
}
