// A frozen base with trainable adapters or routers: losses of a batch, and their gradients added up on the device.
// It knows nothing of data, nor of optimizers. Only each layer's input is kept; going back, a layer is computed again.

import { type Buffers, subView, type View } from "../../engine/gpu/buffers.ts";
import type { Gpu } from "../../engine/gpu/gpu.ts";
import { encode } from "../../engine/gpu/program.ts";
import { readView } from "../../engine/gpu/readback.ts";
import { rotations } from "../../engine/model/rotations.ts";
import type { ModelWeights } from "../../engine/model/weights.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { MoloraError } from "../../proto/errors.ts";
import { embed, embedGrid } from "../../shaders/embed.ts";
import type { StepShape } from "../../shaders/step.ts";
import {
  allocateBatch,
  type BatchCapacity,
  type BatchRow,
  type BatchViews,
  shapeOf,
  type TrainingSequence,
  writeBatch,
} from "./batch.ts";
import { type HeadPasses, headPasses } from "./head.ts";
import { Launcher, type Launches } from "./launcher.ts";
import { type LayerPasses, layerPasses } from "./layer.ts";
import type { GateViews } from "./lora.ts";
import type { LoraStack } from "./lora_stack.ts";
import {
  type AuxiliaryWeights,
  allocateRouter,
  backwardRouter,
  forwardRouter,
  LOAD_BYTES,
  type RouterWorkspace,
} from "./router.ts";
import type { RouterStack } from "./router_stack.ts";
import { allocateTraining, type TrainingWorkspace } from "./workspace.ts";

export interface TrainingParts {
  config: ModelConfig;
  weights: ModelWeights;
  stack: LoraStack;
  /** Chooses each token's experts, and is trained. Without it every token takes every expert at `gates`. */
  router?: RouterStack;
  /** One an expert; default 1 each. */
  gates?: readonly number[];
  auxiliary?: AuxiliaryWeights;
  capacity: Omit<BatchCapacity, "chunkRows">;
}

export interface TrainingResult {
  rows: BatchRow[];
  /** Negative log-likelihood of each row's target, in nats. */
  losses: Float32Array;
  /** Σ weight · loss: what was differentiated, auxiliary losses apart. */
  loss: number;
  /** With a router, [layer][expert]: the share of tokens it got, and the mean of p. */
  loads: [share: number, mean: number][][];
}

export interface RunOptions {
  backward: boolean;
  batchTokens?: number;
}

interface RoutedLayer {
  forward: Launches;
  backward: Launches;
}

export class TrainingModel {
  readonly #gpu: Gpu;
  readonly #parts: TrainingParts;
  readonly #capacity: BatchCapacity;
  readonly #batch: BatchViews;
  readonly #workspace: TrainingWorkspace;
  readonly #routerWorkspace: RouterWorkspace | undefined;
  readonly #dGates: View;
  readonly #lowest: number;
  #embed: Launches = [];
  #layers: LayerPasses[] = [];
  #routers: RoutedLayer[] = [];
  #head: HeadPasses = { norm: [], losses: [], backward: [], leave: [] };

  private constructor(gpu: Gpu, buffers: Buffers, parts: TrainingParts) {
    const { config, stack, router, capacity } = parts;
    this.#gpu = gpu;
    this.#parts = parts;
    this.#capacity = { ...capacity, chunkRows: chunkRows(gpu, config) };
    this.#batch = allocateBatch(gpu, buffers, this.#capacity);
    this.#workspace = allocateTraining(buffers, config, this.#capacity, stack.mostRanks);
    this.#routerWorkspace = router && allocateRouter(buffers, router, capacity.tokens, config.numLayers);
    this.#dGates = buffers.storage("gate gradients", capacity.tokens * stack.experts * 4);
    // A router stands in every layer; adapters may begin higher up.
    this.#lowest = router === undefined ? stack.lowestLayer : 0;
  }

  /** Compiles every kernel. Throws `config_invalid` where heads are not whole vec4s, `gpu_limit` where it does not fit. */
  static async create(gpu: Gpu, buffers: Buffers, parts: TrainingParts): Promise<TrainingModel> {
    if (parts.config.headDim % 8 !== 0) {
      throw new MoloraError("config_invalid", `heads of ${parts.config.headDim} values; training needs multiples of 8`);
    }
    const model = new TrainingModel(gpu, buffers, parts);
    await model.#build(buffers);
    return model;
  }

  /**
   * Losses of `sequences`; with `backward`, the gradients of Σ weight · loss are added to the parameters'. `batchTokens`:
   * of the whole batch where this is a part of it; auxiliary losses are means over it.
   * Throws `data_invalid` where the batch exceeds the capacity.
   */
  async run(sequences: readonly TrainingSequence[], { backward, batchTokens }: RunOptions): Promise<TrainingResult> {
    const { shape, rows } = writeBatch(this.#gpu, this.#batch, this.#capacity, sequences, batchTokens);
    this.#forward(shape);
    const chunks = Math.ceil(rows.length / this.#capacity.chunkRows);
    this.#losses(shape, chunks, backward);
    if (backward && rows.length > 0) this.#backward(shape);
    return this.#result(rows);
  }

  async #build(buffers: Buffers): Promise<void> {
    const gpu = this.#gpu;
    const { config, weights, stack, router, auxiliary } = this.#parts;
    const [batch, workspace] = [this.#batch, this.#workspace];
    const fillers = { spare: buffers.storage("spare", 16), sink: buffers.storage("sink", 16) };
    const launcher = new Launcher(gpu, buffers, batch.step, fillers);
    const chunkLauncher = new Launcher(gpu, buffers, batch.chunkStep, fillers);
    const turns = buffers.from(
      "training rotations",
      rotations(config, Math.min(this.#capacity.tokens, config.contextLength)),
    );
    const gate = this.#gates(buffers);
    this.#embed = await this.#embedding(launcher);
    const common = { launcher, config, gate, batch, workspace, rotations: turns, tokens: this.#capacity.tokens };
    for (const [index, layer] of weights.layers.entries()) {
      const parts = { ...common, weights: layer, stack: stack.layers[index]!, index };
      this.#layers.push(await layerPasses(parts, index <= this.#lowest));
      if (router === undefined || this.#routerWorkspace === undefined) continue;
      const routed = {
        launcher,
        stack: router,
        batch,
        workspace: this.#routerWorkspace,
        x: workspace.attentionInput,
        dx: index <= this.#lowest ? undefined : workspace.dInput,
        gate,
        auxiliary: auxiliary ?? { balance: 0, z: 0 },
        index,
      };
      this.#routers.push({ forward: await forwardRouter(routed), backward: await backwardRouter(routed) });
    }
    const capacity = this.#capacity;
    this.#head = await headPasses({ launcher, chunkLauncher, config, weights, capacity, batch, workspace });
  }

  #gates(buffers: Buffers): GateViews {
    const { stack, gates = [] } = this.#parts;
    const { experts } = stack;
    const all = Float32Array.from({ length: this.#capacity.tokens * experts }, (_, i) => gates[i % experts] ?? 1);
    return { experts, gates: buffers.from("gates", all), dGates: this.#dGates };
  }

  #embedding(launcher: Launcher): Promise<Launches> {
    const { format, cols, shards } = this.#parts.weights.embedding;
    const { ids, residuals } = this.#workspace;
    const { tokens, sequences } = this.#batch;
    const given = { tokens, sequences, sampled: launcher.fillers.spare, residual: residuals[0]!, ids };
    return Promise.all(
      shards.map(({ quants, scales, firstRow, rows }) =>
        launcher.launch(embed({ format, cols, firstRow, rows }), embedGrid, { quants, scales, ...given }),
      ),
    );
  }

  #forward(shape: StepShape): void {
    const layers = this.#layers.map((layer, i) => [...this.#again(layer, i), ...layer.finish]);
    this.#submit([...this.#embed, ...layers.flat(), ...this.#head.norm], shape);
  }

  #losses(shape: StepShape, chunks: number, backward: boolean): void {
    const chunk = shapeOf(this.#capacity.chunkRows, 0, 0);
    for (let i = 0; i < chunks; i++) {
      this.#submit([...this.#head.losses[i]!, ...(backward ? this.#head.backward[i]! : [])], chunk);
    }
    if (backward) this.#submit(this.#head.leave, shape, this.#workspace.dResidual);
  }

  #backward(shape: StepShape): void {
    for (let i = this.#layers.length - 1; i >= this.#lowest; i--) {
      const layer = this.#layers[i]!;
      const router = this.#routers[i]?.backward ?? [];
      this.#submit([...this.#again(layer, i), ...layer.backward, ...router, ...layer.leave], shape, this.#dGates);
    }
  }

  /** A layer's forward pass from its input residual, router included. */
  #again(layer: LayerPasses, index: number): Launches {
    return [...layer.norm, ...(this.#routers[index]?.forward ?? []), ...layer.forward];
  }

  /** One submit of one pass; `zeroed` is set to zero before it. */
  #submit(launches: Launches, shape: StepShape, zeroed?: View): void {
    const encoder = this.#gpu.device.createCommandEncoder();
    if (zeroed !== undefined) encoder.clearBuffer(zeroed.buffer, zeroed.offset, zeroed.size);
    const pass = encoder.beginComputePass();
    encode(pass, launches, shape);
    pass.end();
    this.#gpu.queue.submit([encoder.finish()]);
  }

  async #result(rows: BatchRow[]): Promise<TrainingResult> {
    const view = subView(this.#workspace.losses, 0, Math.max(16, Math.ceil(rows.length / 4) * 16));
    const losses = new Float32Array(await readView(this.#gpu, view)).slice(0, rows.length);
    const loss = rows.reduce((sum, { weight }, r) => sum + weight * losses[r]!, 0);
    return { rows, losses, loss, loads: await this.#loads() };
  }

  async #loads(): Promise<TrainingResult["loads"]> {
    if (this.#routerWorkspace === undefined) return [];
    const all = new Float32Array(await readView(this.#gpu, this.#routerWorkspace.loads));
    return this.#layers.map((_, i) =>
      Array.from({ length: this.#parts.stack.experts }, (_, e): [number, number] => {
        const at = (i * LOAD_BYTES) / 4 + 2 * e;
        return [all[at]!, all[at + 1]!];
      }),
    );
  }
}

/** Rows of logits at a time: as many as fit 64 MiB and one binding, at least 64. */
function chunkRows(gpu: Gpu, { vocabSize }: ModelConfig): number {
  const bytes = Math.min(64 * 2 ** 20, gpu.limits.maxStorageBufferBindingSize);
  return Math.max(64, Math.min(512, Math.floor(bytes / (4 * vocabSize) / 64) * 64));
}
