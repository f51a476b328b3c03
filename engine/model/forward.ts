// The forward pass as launches: one list for each kind of step, built when first needed and re-encoded ever after.
// It knows nothing of sequences or requests; grids come from the shape of the step.

import { activation, activationGrid } from "../../shaders/activation.ts";
import type { ActivationForm } from "../../shaders/activation_form.ts";
import { attention, attentionGrid } from "../../shaders/attention.ts";
import type { Build } from "../../shaders/compose.ts";
import { embed, embedGrid } from "../../shaders/embed.ts";
import { expandSegmented, expandSegmentedGrid } from "../../shaders/expand_segmented.ts";
import { finalNorm, finalNormGrid } from "../../shaders/final_norm.ts";
import { gate, gateGrid } from "../../shaders/gate.ts";
import { linearGrid, linearPipeline, linearTile } from "../../shaders/linear.ts";
import { LORA_GROUPS, type LoraForm, type LoraGroup, type LoraShape, loraFragment } from "../../shaders/lora_form.ts";
import { norm, normGrid } from "../../shaders/norm.ts";
import { ropeKv, ropeKvGrid } from "../../shaders/rope_kv.ts";
import { route, routeGrid } from "../../shaders/route.ts";
import { sample, sampleGrid } from "../../shaders/sample.ts";
import { segments, segmentsGrid } from "../../shaders/segments.ts";
import { shrinkSegmented, shrinkSegmentedGrid } from "../../shaders/shrink_segmented.ts";
import type { StepShape } from "../../shaders/step.ts";
import { trace, traceGrid } from "../../shaders/trace.ts";
import type { View } from "../gpu/buffers.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { type Grid, type Launch, launch } from "../gpu/program.ts";
import { type ModelConfig, moduleShape } from "./config.ts";
import type { Capacity, InputViews } from "./inputs.ts";
import type { LinearWeights, WeightDtype } from "./linear_weights.ts";
import type { LayerWeights, ModelWeights } from "./weights.ts";
import type { Activations, Workspace } from "./workspace.ts";

/** What a step needs of the forward pass. Steps of one kind share their launches. */
export interface StepKind {
  lora: LoraForm;
  /** A router chooses for some token: every layer has its own table. */
  routed: boolean;
  /** Class of token counts that one tile of the linear kernel serves. */
  tokens: number;
  /** The same for rows of logits. */
  rows: number;
}

/** Below this many tokens, LoRA rows ride along with the linear layers; from here on, sorting by adapter pays. */
const GATHER_TOKENS = 16;

export function stepKind(shape: StepShape): StepKind {
  const lora = shape.entries === 0 ? "none" : shape.tokens < GATHER_TOKENS ? "gather" : "segmented";
  return { lora, routed: shape.routed, tokens: tileClass(shape.tokens), rows: tileClass(shape.rows) };
}

function tileClass(count: number): number {
  if (count <= 1) return 1;
  if (count <= 3) return 3;
  return count < GATHER_TOKENS ? 8 : 64;
}

/**
 * int8 activations where they are faster than f32: weights that may be quantised, on a software adapter, whose f32
 * arithmetic is slow. Every row must divide into blocks of 32.
 */
export function activationForm(gpu: Gpu, config: ModelConfig, dtype: WeightDtype): ActivationForm {
  const whole = [config.hiddenSize, config.intermediateSize, config.headDim].every((size) => size % 32 === 0);
  return gpu.isSoftware && gpu.body === "rowPerThread" && dtype !== "f32" && whole ? "q8" : "f32";
}

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

type Launches = Launch<StepShape>[];

export class Forward {
  readonly #gpu: Gpu;
  readonly #parts: ForwardParts;
  readonly #activations: ActivationForm;
  readonly #programs = new Map<string, Promise<Launches>>();

  constructor(gpu: Gpu, parts: ForwardParts, activations: ActivationForm) {
    this.#gpu = gpu;
    this.#parts = parts;
    this.#activations = activations;
  }

  /** Launches of one kind of step, from ids to sampled tokens. */
  program(kind: StepKind): Promise<Launches> {
    const key = `${kind.lora} ${kind.routed} ${kind.tokens} ${kind.rows}`;
    let program = this.#programs.get(key);
    if (program === undefined) {
      program = this.#build(kind);
      this.#programs.set(key, program);
    }
    return program;
  }

  async #build(kind: StepKind): Promise<Launches> {
    const { config, weights } = this.#parts;
    const launches: Launches = [];
    launches.push(...(await this.#embed()));
    if (kind.lora !== "none" && !kind.routed) launches.push(await this.#route(0), ...(await this.#segments(kind, 0)));
    for (let i = 0; i < config.numLayers; i++) launches.push(...(await this.#layer(kind, i, weights.layers[i]!)));
    launches.push(...(await this.#head(kind)));
    return launches;
  }

  async #layer(kind: StepKind, i: number, layer: LayerWeights): Promise<Launches> {
    const { config, workspace } = this.#parts;
    const { input, qkv, output, gateUp } = workspace;
    const routing =
      kind.routed && kind.lora !== "none"
        ? [await this.#gate(i), await this.#route(i), ...(await this.#segments(kind, i))]
        : [];
    return [
      await this.#norm(kind, i === 0 ? undefined : i - 1, "down", layer.attentionNorm),
      ...routing,
      ...(await this.#linear(kind, i, "qkv", layer.qkv, config.hiddenSize, input, qkv)),
      await this.#ropeKv(kind, i),
      await this.#attention(i),
      ...(await this.#linear(kind, i, "o", layer.o, config.numHeads * config.headDim, input, output)),
      await this.#norm(kind, i, "o", layer.mlpNorm),
      ...(await this.#linear(kind, i, "gateUp", layer.gateUp, config.hiddenSize, input, gateUp)),
      await this.#activation(kind, i),
      ...(await this.#linear(kind, i, "down", layer.down, config.intermediateSize, input, output)),
    ];
  }

  async #embed(): Promise<Launches> {
    const { weights, inputs, workspace } = this.#parts;
    const { format, cols, shards } = weights.embedding;
    return Promise.all(
      shards.map(({ quants, scales, firstRow, rows }) =>
        this.#launch(embed({ format, cols, firstRow, rows }), embedGrid, {
          step: inputs.step,
          quants,
          scales,
          tokens: inputs.tokens,
          sequences: inputs.sequences,
          sampled: workspace.sampled,
          residual: workspace.residual,
          ids: workspace.ids,
        }),
      ),
    );
  }

  /** `before`: the layer whose `group` output is added to the residual first; undefined: none. */
  #norm(kind: StepKind, before: number | undefined, group: LoraGroup, weight: View): Promise<Launch<StepShape>> {
    const { config, inputs, workspace } = this.#parts;
    const add = before !== undefined;
    const facts = {
      hidden: config.hiddenSize,
      eps: config.normEps,
      add,
      lora: loraFragment(add ? kind.lora : "none", this.#loraShape(group)),
      activations: this.#activations,
    };
    return this.#launch(norm(facts), normGrid, {
      step: inputs.step,
      residual: workspace.residual,
      output: workspace.output,
      weight,
      ...workspace.input,
      ...(add ? this.#loraViews(kind, before) : {}),
    });
  }

  #gate(i: number): Promise<Launch<StepShape>> {
    const { config, capacity, inputs, workspace, pool } = this.#parts;
    return this.#launch(gate({ hidden: config.hiddenSize, gateWidth: capacity.gateWidth }), gateGrid, {
      step: inputs.step,
      tokens: inputs.tokens,
      sequences: inputs.sequences,
      x: workspace.input.x,
      pool: pool[i]!,
      gate: workspace.gate,
    });
  }

  #route(i: number): Promise<Launch<StepShape>> {
    const { capacity, inputs, workspace, pool } = this.#parts;
    return this.#launch(route(capacity), routeGrid, {
      sequences: inputs.sequences,
      fixed_entries: inputs.fixed,
      ids: workspace.ids,
      gate: workspace.gate,
      pool: pool[i]!,
      evidence: workspace.evidence,
      belief: workspace.belief[i]!,
      table: workspace.tables.layers[i]!,
    });
  }

  async #segments(kind: StepKind, i: number): Promise<Launches> {
    if (kind.lora !== "segmented") return [];
    const { capacity, inputs, workspace } = this.#parts;
    const build = segments({ entries: capacity.entries, sort: capacity.tokens * capacity.entries });
    const views = {
      step: inputs.step,
      table: workspace.tables.layers[i]!,
      order: workspace.order,
      tiles: workspace.tiles,
      tile_count: workspace.tileCount,
    };
    return [await this.#launch(build, segmentsGrid, views)];
  }

  /** A linear layer with the A side of its adapters: riding along (gather) or behind it, with the B side (segmented). */
  async #linear(
    kind: StepKind,
    i: number,
    group: LoraGroup,
    weights: LinearWeights,
    inputs: number,
    { x, xq, xs }: Activations,
    y: View,
  ): Promise<Launches> {
    const { workspace, pool } = this.#parts;
    const shape = this.#loraShape(group);
    const table = this.#table(kind, i);
    const { format, rows, cols, shards } = weights;
    const form = this.#formFor(weights);
    const tile = linearTile(this.#gpu.body, format, kind.tokens);
    const launches: Launches = [];
    for (const [n, { quants, scales, ...shard }] of shards.entries()) {
      const shrink = kind.lora === "gather" && n === 0 ? { shrink: shape } : {};
      const facts = { format, rows, cols, shard, activations: form, tile, ...shrink };
      const pipeline = await linearPipeline(this.#gpu, facts);
      const views = { step: this.#parts.inputs.step, quants, scales, x: form === "q8" ? xq : x, xs, y };
      const lora = { table, adapters: pool[i]!, shrunk: workspace.shrunk, xf: x };
      launches.push(launch(this.#gpu, pipeline, { ...views, ...lora }, linearGrid(this.#gpu, facts)));
    }
    if (kind.lora !== "segmented") return launches;
    const sorted = { order: workspace.order, tiles: workspace.tiles, tile_count: workspace.tileCount, pool: pool[i]! };
    const { shrunk, planes } = workspace;
    const shrink = { table, x, shrunk, ...sorted };
    return [
      ...launches,
      await this.#launch(shrinkSegmented(inputs, shape), shrinkSegmentedGrid(shape.rows.length), shrink),
      await this.#launch(expandSegmented(shape), expandSegmentedGrid(rows), { shrunk, planes, ...sorted }),
    ];
  }

  #ropeKv(kind: StepKind, i: number): Promise<Launch<StepShape>> {
    const { config, inputs, workspace, pool, rotations } = this.#parts;
    const lora = loraFragment(kind.lora, this.#loraShape("qkv"), true);
    return this.#launch(ropeKv(config, lora), ropeKvGrid(config), {
      step: inputs.step,
      tokens: inputs.tokens,
      qkv: workspace.qkv,
      rotations,
      q: workspace.q,
      ...this.#loraViews(kind, i),
      pool: pool[i]!,
    });
  }

  #attention(i: number): Promise<Launch<StepShape>> {
    const { config, inputs, workspace, pool } = this.#parts;
    return this.#launch(attention(config, this.#activations), attentionGrid(config.numHeads), {
      step: inputs.step,
      tokens: inputs.tokens,
      sequences: inputs.sequences,
      blocks: inputs.blocks,
      q: workspace.q,
      pool: pool[i]!,
      ...workspace.input,
    });
  }

  #activation(kind: StepKind, i: number): Promise<Launch<StepShape>> {
    const { config, inputs, workspace } = this.#parts;
    const lora = loraFragment(kind.lora, this.#loraShape("gateUp"));
    const facts = { ffn: config.intermediateSize, lora, activations: this.#activations };
    return this.#launch(activation(facts), activationGrid(config.intermediateSize), {
      step: inputs.step,
      gate_up: workspace.gateUp,
      ...workspace.input,
      ...this.#loraViews(kind, i),
    });
  }

  /** From the last layer to a token for every wanted row, and the routing of those rows. */
  async #head(kind: StepKind): Promise<Launches> {
    const { config, capacity, weights, inputs, workspace } = this.#parts;
    const { numLayers, hiddenSize, vocabSize } = config;
    const { format, rows, cols, shards } = weights.head;
    const activations = this.#formFor(weights.head);
    const facts = { hidden: hiddenSize, eps: config.normEps, lora: loraFragment(kind.lora, this.#loraShape("down")) };
    const norm = await this.#launch(finalNorm({ ...facts, activations }), finalNormGrid, {
      step: inputs.step,
      logit_rows: inputs.logitRows,
      residual: workspace.residual,
      output: workspace.output,
      weight: weights.finalNorm,
      ...workspace.head,
      ...this.#loraViews(kind, numLayers - 1),
    });
    const tile = linearTile(this.#gpu.body, format, kind.rows);
    const logits = shards.map(async ({ quants, scales, ...shard }) => {
      const facts = { format, rows, cols, shard, activations, tile, per: "rows" } as const;
      const { x, xq, xs } = workspace.head;
      const views = { step: inputs.step, quants, scales, x: activations === "q8" ? xq : x, xs, y: workspace.logits };
      return launch(this.#gpu, await linearPipeline(this.#gpu, facts), views, linearGrid(this.#gpu, facts));
    });
    const { counts, masks, sampled, results, tables } = workspace;
    const picked = await this.#launch(sample({ vocab: vocabSize }), sampleGrid, {
      rows: inputs.logitRows,
      logits: workspace.logits,
      counts,
      masks,
      sampled,
      results,
    });
    const launches = [norm, ...(await Promise.all(logits)), picked];
    if (!kind.routed || kind.lora === "none") return launches;
    const traced = { layers: numLayers, maxTokens: capacity.tokens, entries: capacity.entries };
    const views = { rows: inputs.logitRows, table: tables.whole, trace: workspace.trace };
    return [...launches, await this.#launch(trace(traced), traceGrid, views)];
  }

  /** int8 activations serve quantised weights; weights left as floats read f32. */
  #formFor({ format }: LinearWeights): ActivationForm {
    return format === "q8_0" || format === "q4" ? this.#activations : "f32";
  }

  #table(kind: StepKind, i: number): View {
    return this.#parts.workspace.tables.layers[kind.routed ? i : 0]!;
  }

  /** What loraFragment binds. A kernel takes those its form names. */
  #loraViews(kind: StepKind, i: number): Record<string, View> {
    const { workspace, pool } = this.#parts;
    return {
      table: this.#table(kind, i),
      shrunk: workspace.shrunk,
      adapters: pool[i]!,
      planes: workspace.planes,
    };
  }

  #loraShape(group: LoraGroup): LoraShape {
    const { config, capacity } = this.#parts;
    const rows = LORA_GROUPS[group].map((module) => moduleShape(config, module)[0]);
    return { group, rows, entries: capacity.entries, rank4: capacity.rank4, maxTokens: capacity.tokens };
  }

  async #launch(
    build: Build,
    grid: (shape: StepShape) => Grid,
    views: Readonly<Record<string, View>>,
  ): Promise<Launch<StepShape>> {
    const pipeline = await this.#gpu.pipelines.get(build.kernel, build.constants);
    return launch(this.#gpu, pipeline, views, grid);
  }
}
