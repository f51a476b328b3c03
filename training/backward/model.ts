// A frozen base with trainable adapters or routers: losses of a batch, and their gradients added up on the device.
// Only each layer's input is kept; going back, a layer is computed again.

import { allocateFrom, type Device, type Launch, type Program, readView } from "../../engine/device/device.ts";
import { subView, type View } from "../../engine/device/memory.ts";
import { rotationTable, shortTurns } from "../../engine/model/rotations.ts";
import type { ModelWeights } from "../../engine/model/weights.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { embed } from "../../shaders/layer/embed.ts";
import {
  allocateBatch,
  type BatchCapacity,
  type BatchRow,
  type BatchViews,
  shapeOf,
  type TrainingSequence,
  writeBatch,
} from "./batch.ts";
import { toEntropy } from "./entropy.ts";
import { headPasses } from "./head.ts";
import { Launcher } from "./launcher.ts";
import { layerPasses } from "./layer.ts";
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
import { checkTrainable } from "./trainable.ts";
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
  /** The entropy of each row's prediction in place of its target's loss: no label is needed. */
  entropy?: boolean;
  /** Called, going back, when a layer's inner values are on the device; none below the lowest trained one. */
  onLayer?: (layer: number, workspace: TrainingWorkspace) => Promise<void>;
}

/** What is run for a step, prepared once. Layers by their index. */
interface Programs {
  /** From ids to the wanted rows behind the last layer, normed. */
  forward: Program;
  /** Each chunk of rows: losses, and their gradients for the normed rows. */
  losses: Program[];
  lossGradients: Program[];
  /** From the rows' gradients to d_residual, which must be zero before. */
  leaveHead: Program;
  /** A layer computed again from its input, then its backward pass. */
  backward: Program[];
}

export class TrainingModel {
  readonly #device: Device;
  readonly #model: TrainingParts;
  readonly #capacity: BatchCapacity;
  readonly #batch: BatchViews;
  readonly #workspace: TrainingWorkspace;
  readonly #routerWorkspace: RouterWorkspace | undefined;
  readonly #dGates: View;
  readonly #lowest: number;
  #programs: Programs | undefined;

  private constructor(device: Device, model: TrainingParts) {
    const { config, stack, router, capacity } = model;
    this.#device = device;
    this.#model = model;
    const turns = shortTurns(config, positionsOf(model));
    this.#capacity = { ...capacity, chunkRows: chunkRows(device, config), shortTurns: turns };
    this.#batch = allocateBatch(device, this.#capacity);
    this.#workspace = allocateTraining(device, config, this.#capacity, stack.mostRanks);
    this.#routerWorkspace = router && allocateRouter(device, router, capacity.tokens, config.numLayers);
    this.#dGates = device.allocate("gate gradients", capacity.tokens * stack.experts * 4);
    // A router stands in every layer; adapters may begin higher up.
    this.#lowest = router === undefined ? stack.lowestLayer : 0;
  }

  /**
   * Compiles every kernel.
   * @throws MoloraError `unsupported_architecture` where the model computes what has no gradient here, `config_invalid` where
   * heads are not whole vec4s, `gpu_limit` where it does not fit
   */
  static async create(device: Device, parts: TrainingParts): Promise<TrainingModel> {
    checkTrainable(parts.config);
    const model = new TrainingModel(device, parts);
    model.#programs = await model.#build();
    return model;
  }

  /**
   * Losses of `sequences`; with `backward`, the gradients of Σ weight · loss are added to the parameters'. `batchTokens`:
   * of the whole batch where this is a part of it; auxiliary losses are means over it.
   * @throws MoloraError `data_invalid` where the batch exceeds the capacity
   */
  async run(
    sequences: readonly TrainingSequence[],
    { backward, batchTokens, entropy = false, onLayer }: RunOptions,
  ): Promise<TrainingResult> {
    const { shape, rows } = writeBatch(this.#device, this.#batch, this.#capacity, sequences, batchTokens);
    const { forward, losses, lossGradients, leaveHead, backward: layers } = this.#programs!;
    const device = this.#device;
    device.run([forward], shape);
    const chunk = shapeOf(this.#capacity.chunkRows, 0, 0);
    const entropies = new Float32Array(rows.length);
    const { chunkRows } = this.#capacity;
    const vocab = this.#model.config.vocabSize;
    for (let i = 0; i < Math.ceil(rows.length / chunkRows); i++) {
      device.run(backward && !entropy ? [losses[i], lossGradients[i]] : [losses[i]], chunk);
      if (!entropy) continue;
      const here = rows.slice(i * chunkRows, (i + 1) * chunkRows);
      const labels = here.map(({ sequence, position }) => sequences[sequence].ids[position + 1]);
      entropies.set(await toEntropy(device, this.#workspace.logits, here, labels, vocab), i * chunkRows);
      if (backward) device.run([lossGradients[i]], chunk);
    }
    if (backward && rows.length > 0) {
      device.zero(this.#workspace.dResidual);
      device.run([leaveHead], shape);
      for (let i = layers.length - 1; i >= this.#lowest; i--) {
        device.zero(this.#dGates);
        device.run([layers[i]], shape);
        await onLayer?.(i, this.#workspace);
      }
    }
    const result = await this.#result(rows);
    if (!entropy) return result;
    return { ...result, losses: entropies, loss: rows.reduce((sum, { weight }, r) => sum + weight * entropies[r], 0) };
  }

  async #build(): Promise<Programs> {
    const device = this.#device;
    const { config, weights, stack, router, auxiliary } = this.#model;
    const [batch, workspace, capacity] = [this.#batch, this.#workspace, this.#capacity];
    const fillers = { spare: device.allocate("spare", 16), sink: device.allocate("sink", 16) };
    const launcher = new Launcher(device, batch.step, fillers);
    const chunkLauncher = new Launcher(device, batch.chunkStep, fillers);
    const turns = rotationTable(config, "usual", positionsOf(this.#model));
    const gate = this.#gates();
    const common = {
      launcher,
      config,
      gate,
      batch,
      workspace,
      rotations: allocateFrom(device, "training rotations", turns),
      tokens: capacity.tokens,
    };
    const passes = weights.layers.map((layer, index) => {
      const lowest = index <= this.#lowest;
      const passes = layerPasses({ ...common, weights: layer, stack: stack.layers[index], index }, lowest);
      if (router === undefined || this.#routerWorkspace === undefined) return { ...passes, routed: [], unrouted: [] };
      const routed = {
        launcher,
        stack: router,
        batch,
        workspace: this.#routerWorkspace,
        x: workspace.attentionInput,
        dx: lowest ? undefined : workspace.dInput,
        gate,
        auxiliary: auxiliary ?? { balance: 0, z: 0 },
        index,
      };
      return { ...passes, routed: forwardRouter(routed), unrouted: backwardRouter(routed) };
    });
    const head = headPasses({ launcher, chunkLauncher, config, weights, capacity, batch, workspace });
    const again = ({ norm, routed, forward }: (typeof passes)[number]) => [...norm, ...routed, ...forward];
    const prepareAll = (lists: Launch[][]) => Promise.all(lists.map((launches) => device.prepare(launches)));
    const layers = passes.flatMap((layer) => [...again(layer), ...layer.finish]);
    return {
      forward: await device.prepare([...this.#embedding(launcher), ...layers, ...head.norm]),
      losses: await prepareAll(head.losses),
      lossGradients: await prepareAll(head.backward),
      leaveHead: await device.prepare(head.leave),
      backward: await prepareAll(
        passes.map((layer) => [...again(layer), ...layer.backward, ...layer.unrouted, ...layer.leave]),
      ),
    };
  }

  #gates(): GateViews {
    const { stack, gates = [] } = this.#model;
    const { experts } = stack;
    const all = Float32Array.from({ length: this.#capacity.tokens * experts }, (_, i) => gates[i % experts] ?? 1);
    return { experts, gates: allocateFrom(this.#device, "gates", all), dGates: this.#dGates };
  }

  #embedding(launcher: Launcher): Launch[] {
    const { cols, shards } = this.#model.weights.embedding;
    const { ids, residuals } = this.#workspace;
    const { tokens, sequences } = this.#batch;
    const given = { tokens, sequences, sampled: launcher.fillers.spare, residual: residuals[0], ids };
    return shards.map(({ format, quants, scales, firstRow, rows }) =>
      launcher.launch(embed, { format, cols, firstRow, rows }, { quants, scales, ...given }),
    );
  }

  async #result(rows: BatchRow[]): Promise<TrainingResult> {
    const view = subView(this.#workspace.losses, 0, Math.max(16, Math.ceil(rows.length / 4) * 16));
    const losses = new Float32Array(await readView(this.#device, view)).slice(0, rows.length);
    const loss = rows.reduce((sum, { weight }, r) => sum + weight * losses[r]!, 0);
    return { rows, losses, loss, loads: await this.#loads() };
  }

  async #loads(): Promise<TrainingResult["loads"]> {
    if (this.#routerWorkspace === undefined) return [];
    const all = new Float32Array(await readView(this.#device, this.#routerWorkspace.loads));
    return this.#model.weights.layers.map((_, i) =>
      Array.from({ length: this.#model.stack.experts }, (_, e): [number, number] => {
        const at = (i * LOAD_BYTES) / 4 + 2 * e;
        return [all[at]!, all[at + 1]!];
      }),
    );
  }
}

/** Rows of logits at a time: as many as fit 64 MiB and one binding, at least 64. */
function chunkRows({ limits }: Device, { vocabSize }: ModelConfig): number {
  const bytes = Math.min(64 * 2 ** 20, limits.viewBytes);
  return Math.max(64, Math.min(512, Math.floor(bytes / (4 * vocabSize) / 64) * 64));
}

/** Positions of the longest sequence there is room for. */
function positionsOf({ config, capacity }: Pick<TrainingParts, "config" | "capacity">): number {
  return Math.min(capacity.tokens, config.contextLength);
}
