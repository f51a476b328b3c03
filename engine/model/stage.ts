// The launches of a forward pass, one kernel at a time, for one kind of step: which views each works on.
// Their order stands in layer.ts and forward.ts.

import { firstModule, groupRows, type LoraGroup } from "../../files/families/modules.ts";
import type { ActivationForm } from "../../shaders/formats/device_format.ts";
import { launch, type Views } from "../../shaders/kernel.ts";
import { activation } from "../../shaders/layer/activation.ts";
import { attention } from "../../shaders/layer/attention.ts";
import { embed } from "../../shaders/layer/embed.ts";
import { finalNorm } from "../../shaders/layer/final_norm.ts";
import { norm } from "../../shaders/layer/norm.ts";
import { ropeKv } from "../../shaders/layer/rope_kv.ts";
import { core } from "../../shaders/lora/core.ts";
import { expandSegmented } from "../../shaders/lora/expand_segmented.ts";
import type { LoraShape, LoraUse } from "../../shaders/lora/lora_form.ts";
import { segments } from "../../shaders/lora/segments.ts";
import { shrinkSegmented } from "../../shaders/lora/shrink_segmented.ts";
import { gate } from "../../shaders/routing/gate.ts";
import { route } from "../../shaders/routing/route.ts";
import { trace } from "../../shaders/routing/trace.ts";
import { sample } from "../../shaders/sampling/sample.ts";
import type { Launch } from "../device/device.ts";
import type { View } from "../device/memory.ts";
import type { ForwardViews } from "./forward_views.ts";
import type { LinearWeights } from "./linear_weights.ts";
import { multiply, type Product } from "./multiply.ts";
import type { StepKind } from "./step_kind.ts";
import type { Activations } from "./workspace.ts";

/** Half of a layer: its attention, whose output is of the group "o", or its MLP. */
export interface Block {
  layer: number;
  group: "o" | "down";
}

export class Stage {
  readonly views: ForwardViews;
  readonly activations: ActivationForm;
  readonly kind: StepKind;

  constructor(views: ForwardViews, activations: ActivationForm, kind: StepKind) {
    this.views = views;
    this.activations = activations;
    this.kind = kind;
  }

  /** residual = the row of each token in a table, scaled; ids as the device resolves them. Ids beyond it are passed over. */
  embed(
    { cols, shards }: LinearWeights = this.views.weights.embedding,
    { tokens, ids }: Record<"tokens" | "ids", View> = {
      tokens: this.views.inputs.tokens,
      ids: this.views.workspace.ids,
    },
  ): Launch[] {
    const { config, inputs, workspace } = this.views;
    const scale = config.embeddingScale ?? 1;
    const { step, sequences } = inputs;
    const { sampled, residual } = workspace;
    return shards.map(({ format, quants, scales, firstRow, rows }) =>
      launch(
        embed,
        { format, cols, firstRow, rows, scale },
        { step, quants, scales, tokens, sequences, sampled, residual, ids },
      ),
    );
  }

  /**
   * residual += output of `block` with its deltas, where there is one, scaled, and normed where the model norms behind its
   * blocks; x = RMSNorm(residual) · weight, or the residual where it norms there alone.
   */
  norm(weight: View, block?: Block): Launch {
    const { config, inputs, workspace } = this.views;
    const { residual, output } = workspace;
    const lora = this.#loraOf(block);
    const sums = { add: block !== undefined, bare: config.norms === "after" };
    const views = { step: inputs.step, residual, output, weight, ...this.#left(workspace.input) };
    return launch(norm, { ...this.#normFacts(block), ...sums, lora }, { ...views, ...this.#added(block) });
  }

  /** Fills layer i's table by its routers: gate, choice, and where it is wanted the sort into segments. */
  route(i: number): Launch[] {
    const { config, capacity, inputs, workspace, pool } = this.views;
    const { step, tokens, sequences } = inputs;
    const facts = { hidden: config.hiddenSize, gateWidth: capacity.gateWidth, tokens: this.kind.tokens };
    const views = { step, tokens, sequences, ...this.#left(workspace.input), pool: pool[i], gate: workspace.gate };
    return [launch(gate, facts, views), this.#choose(i), ...this.segment(i)];
  }

  /** One table for all layers, of fixed entries alone. */
  fix(): Launch[] {
    return [this.#choose(0), ...this.segment(0)];
  }

  /** Sorts a table that is filled already, where the step's form wants it sorted. */
  segment(i: number): Launch[] {
    if (this.kind.lora !== "segmented") return [];
    const { capacity, inputs, workspace } = this.views;
    const facts = { entries: capacity.entries, sort: capacity.tokens * capacity.entries };
    const { order, tiles, tileCount } = workspace;
    const table = workspace.tables.layers[i];
    return [launch(segments, facts, { step: inputs.step, table, order, tiles, tile_count: tileCount })];
  }

  /** output = W · x + bias for a group's modules, and A · x of its adapters, cores applied; where they are sorted into segments, B · A · x too. */
  linear(group: LoraGroup, i: number): Launch[] {
    const { inputs, workspace, pool, weights } = this.views;
    const matrix = weights.layers[i][group];
    const bias = weights.layers[i].biases[group];
    const ending = bias && { ending: { bias: true as const } };
    const shape = this.#shape(group);
    const y = this.#output(group);
    const { input, shrunk, planes } = workspace;
    const table = this.table(i);
    const lora = { table, adapters: pool[i], shrunk, xf: input.x };
    const along = this.kind.lora === "gather" ? { shrink: shape } : {};
    const launches = multiply(matrix, {
      ...this.#product(input, y, this.kind.tokens),
      facts: { ...ending },
      firstFacts: along,
      views: { ...(bias && { bias }), ...lora },
    });
    const cores = this.kind.cores ? [launch(core, shape, { step: inputs.step, table, pool: pool[i], shrunk })] : [];
    if (this.kind.lora !== "segmented") return [...launches, ...cores];
    const { order, tiles, tileCount } = workspace;
    const sorted = { order, tiles, tile_count: tileCount, pool: pool[i] };
    return [
      ...launches,
      launch(shrinkSegmented, { inputs: matrix.cols, shape }, { table, x: input.x, shrunk, ...sorted }),
      ...cores,
      launch(expandSegmented, shape, { shrunk, planes, table, y, ...sorted }),
    ];
  }

  /** to = W · from, for every token, without adapters. */
  project(matrix: LinearWeights, from: Activations, to: View): Launch[] {
    return multiply(matrix, this.#product(from, to, this.kind.tokens));
  }

  /** q and k, with their deltas, normed where the model norms them, turned by position; k and v into their pages. */
  rotate(i: number): Launch {
    const { config, inputs, weights, workspace, pool, rotations } = this.views;
    const { qkv, q } = workspace;
    const { numHeads, numKvHeads, headDim, rotaryDim = headDim, qkNorm: per, normEps: eps } = config;
    const { qkNorm } = weights.layers[i];
    const facts = {
      numHeads,
      numKvHeads,
      headDim,
      kv: this.views.kvDtype,
      rotaryDim,
      ...(per && { norm: { per, eps } }),
      lora: this.lora("qkv"),
    };
    const views = { step: inputs.step, tokens: inputs.tokens, qkv, rotations: rotations[i], q };
    return launch(ropeKv, facts, { ...views, ...(qkNorm && { qk_norm: qkNorm }), ...this.#deltas(i), pool: pool[i] });
  }

  /** x = softmax(q · K) V over each token's pages, or its layer's window of them. */
  attend(i: number): Launch {
    const { config, inputs, workspace, pool } = this.views;
    const { step, tokens, sequences, blocks } = inputs;
    const { numHeads, numKvHeads, headDim, attentionScale: scale, attentionSoftcap: softcap, windows } = config;
    const scores = { scale, softcap, window: windows?.[i] };
    const facts = { numHeads, numKvHeads, headDim, kv: this.views.kvDtype, ...scores, tokens: this.kind.tokens };
    const views = { step, tokens, sequences, blocks, q: workspace.q, pool: pool[i] };
    return launch(attention, facts, { ...views, ...this.#left(workspace.input) });
  }

  /** x = silu(gate) · up, or gelu(gate) · up, with the deltas of both. */
  activate(i: number): Launch {
    const { config, inputs, workspace } = this.views;
    const views = { step: inputs.step, gate_up: workspace.gateUp, ...this.#left(workspace.input) };
    const gelu = config.activation === "gelu_tanh";
    const facts = { ffn: config.intermediateSize, gelu, lora: this.lora("gateUp") };
    return launch(activation, facts, { ...views, ...this.#deltas(i) });
  }

  /** The last layer's output, normed, for every wanted row. */
  finish(): Launch {
    const { config, weights, inputs, workspace } = this.views;
    const last: Block = { layer: config.numLayers - 1, group: "down" };
    const { residual, output, head } = workspace;
    const rows = { step: inputs.step, logit_rows: inputs.logitRows, residual, output, weight: weights.finalNorm };
    const normed = { ...rows, ...this.#left(head), ...this.#added(last) };
    return launch(finalNorm, { ...this.#normFacts(last), lora: this.#loraOf(last) }, normed);
  }

  /** Logits of every wanted row by an output head, into `y`, whose rows may have room for more ids. */
  logits(matrix: LinearWeights = this.views.weights.head, y: View = this.views.workspace.logits): Launch[] {
    const { config, capacity, workspace } = this.views;
    const { logitScale, logitSoftcap } = config;
    const scaled = logitScale !== undefined || logitSoftcap !== undefined;
    const ending = scaled && { ending: { scale: logitScale ?? 1, cap: logitSoftcap ?? 0 } };
    return multiply(matrix, {
      ...this.#product(workspace.head, y, this.kind.rows),
      facts: { rows: capacity.vocabulary, per: "rows", ...ending },
    });
  }

  /** A token for every wanted row by its logits, and the routing of those rows. */
  pick(): Launch[] {
    const { config, capacity, inputs, workspace } = this.views;
    const { logits, counts, masks, sampled, results, tables } = workspace;
    const picked = { rows: inputs.logitRows, logits, counts, masks, sampled, results };
    const traced = { layers: config.numLayers, maxTokens: capacity.tokens, entries: capacity.entries };
    const shown = { rows: inputs.logitRows, table: tables.whole, trace: workspace.trace };
    return [
      launch(sample, { vocab: capacity.vocabulary }, picked),
      ...(this.kind.routed ? [launch(trace, traced, shown)] : []),
    ];
  }

  lora(group: LoraGroup, form = this.kind.lora): LoraUse {
    return { form, shape: this.#shape(group) };
  }

  #choose(i: number): Launch {
    const { capacity, inputs, workspace, pool } = this.views;
    const { ids, gate: width, evidence, belief, tables } = workspace;
    return launch(route, capacity, {
      sequences: inputs.sequences,
      fixed_entries: inputs.fixed,
      ids,
      gate: width,
      pool: pool[i],
      evidence: evidence.layers[i],
      belief: belief.layers[i],
      blocks: inputs.blocks,
      table: tables.layers[i],
    });
  }

  #product(from: Activations, y: View, tokens: number): Product {
    return { step: this.views.inputs.step, activations: this.activations, from, y, tokens };
  }

  /** The deltas of a block's output: none where nothing is added, or what experts have computed. */
  #loraOf(block: Block | undefined): LoraUse {
    const group = block?.group ?? "o";
    const without = block === undefined || (group === "down" && this.views.weights.layers[block.layer].experts);
    return this.lora(group, without ? "none" : this.kind.lora);
  }

  /** What becomes of a block's output on its way into the residual. */
  #normFacts(block: Block | undefined) {
    const { hiddenSize: hidden, normEps: eps, residualScale: scale = 1 } = this.views.config;
    return { hidden, eps, scale, after: this.#after(block) !== undefined };
  }

  /** What is read of a block's output beside the output itself. */
  #added(block: Block | undefined): Views<View> {
    const after = this.#after(block);
    const deltas = block === undefined || this.#loraOf(block).form === "none" ? {} : this.#deltas(block.layer);
    return { ...(after && { after }), ...deltas };
  }

  #after(block: Block | undefined): View | undefined {
    const weights = block && this.views.weights.layers[block.layer];
    return block?.group === "o" ? weights?.afterAttention : weights?.afterMlp;
  }

  /** Where a group's output goes. */
  #output(group: LoraGroup): View {
    const { qkv, output, gateUp } = this.views.workspace;
    return { qkv, o: output, gateUp, down: output }[group];
  }

  /** What a kernel leaves for the next linear layer. */
  #left({ x, xq, xs }: Activations): Views<View> {
    return this.activations === "q8" ? { x, xq, xs } : { x };
  }

  /** The table layer i reads: its own where something is routed, else the one of all layers. */
  table(i: number): View {
    return this.views.workspace.tables.layers[this.kind.routed ? i : 0];
  }

  /** What lora_delta4 may read for layer i. */
  #deltas(i: number): Views<View> {
    if (this.kind.lora === "none") return {};
    const { shrunk, planes } = this.views.workspace;
    return { table: this.table(i), shrunk, planes, adapters: this.views.pool[i] };
  }

  #shape(group: LoraGroup): LoraShape {
    const { config, capacity, adapterDtype: dtype } = this.views;
    const { entries, rank4, tokens } = capacity;
    const rows = groupRows(config, group);
    return { firstModule: firstModule(group), rows, entries, rank4, maxTokens: tokens, dtype };
  }
}
