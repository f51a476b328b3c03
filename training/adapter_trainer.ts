// Trains one LoRA on a frozen base: texts in, a step of AdamW out.
// It knows nothing of files, data or when to stop.

import { MoloraError } from "../engine/errors.ts";
import type { Buffers } from "../engine/gpu/buffers.ts";
import type { Gpu } from "../engine/gpu/gpu.ts";
import type { Adapter } from "../engine/lora/adapter.ts";
import type { ModelConfig } from "../engine/model/config.ts";
import type { ModelWeights } from "../engine/model/weights.ts";
import { countedTokens, parts, type TrainingText, weighted } from "./adapter_texts.ts";
import type { BatchCapacity } from "./backward/batch.ts";
import { LoraStack } from "./backward/lora_stack.ts";
import { TrainingModel } from "./backward/model.ts";
import type { TrainingState } from "./checkpoint.ts";
import { AdamW, type AdamWOptions } from "./optimizer/adamw.ts";

export interface AdapterTrainerOptions {
  config: ModelConfig;
  weights: ModelWeights;
  /** Where training starts. */
  adapter: Adapter["layers"];
  /** Tokens and texts computed at once; a batch of more is done in parts, whose gradients are added up. */
  capacity: Omit<BatchCapacity, "chunkRows">;
  optimizer: AdamWOptions;
}

export interface AdapterStep {
  /** Mean over the tokens that count, in nats, before the step. */
  loss: number;
  /** Before clipping. */
  gradientNorm: number;
  /** All tokens of the texts. */
  tokens: number;
}

export class AdapterTrainer {
  readonly #gpu: Gpu;
  readonly #stack: LoraStack;
  readonly #model: TrainingModel;
  readonly #optimizer: AdamW;
  readonly #capacity: AdapterTrainerOptions["capacity"];

  private constructor(
    gpu: Gpu,
    stack: LoraStack,
    model: TrainingModel,
    optimizer: AdamW,
    capacity: AdapterTrainerOptions["capacity"],
  ) {
    this.#gpu = gpu;
    this.#stack = stack;
    this.#model = model;
    this.#optimizer = optimizer;
    this.#capacity = capacity;
  }

  /** Throws what TrainingModel.create does. */
  static async create(gpu: Gpu, buffers: Buffers, options: AdapterTrainerOptions): Promise<AdapterTrainer> {
    const { config, weights, adapter, capacity } = options;
    const stack = new LoraStack(buffers, config, [adapter], true);
    const model = await TrainingModel.create(gpu, buffers, { config, weights, stack, capacity });
    const optimizer = await AdamW.create(gpu, buffers, stack.parameters, options.optimizer);
    return new AdapterTrainer(gpu, stack, model, optimizer, capacity);
  }

  /** Steps taken. */
  get steps(): number {
    return this.#optimizer.steps;
  }

  /** Learns from a batch. Throws `tensor_not_finite` for a gradient that is not finite, having changed nothing. */
  async step(texts: readonly TrainingText[], rate: number): Promise<AdapterStep> {
    const loss = await this.#run(texts, true);
    const gradientNorm = await this.#optimizer.step(rate);
    if (!Number.isFinite(gradientNorm)) {
      this.#optimizer.clear();
      throw new MoloraError("tensor_not_finite", `the gradient of step ${this.steps + 1} is not finite`, {
        remedy: "Train with a lower learning rate, or hold the weights in f32.",
      });
    }
    return { loss, gradientNorm, tokens: texts.reduce((sum, { ids }) => sum + ids.length, 0) };
  }

  /** Mean loss over the tokens that count, in nats, learning nothing. */
  evaluate(texts: readonly TrainingText[]): Promise<number> {
    return this.#run(texts, false);
  }

  /** The adapter as it is on the device now. */
  async adapter(): Promise<Adapter["layers"]> {
    return this.#stack.unstack(await this.#stack.parameters.read(this.#gpu), 0);
  }

  async state(): Promise<TrainingState> {
    return { values: await this.#stack.parameters.read(this.#gpu), ...(await this.#optimizer.state()) };
  }

  /** Goes on from a state of an adapter of the same shape. */
  restore(state: TrainingState): void {
    this.#stack.parameters.write(this.#gpu, state.values);
    this.#optimizer.restore(state);
  }

  async #run(texts: readonly TrainingText[], backward: boolean): Promise<number> {
    if (countedTokens(texts) === 0) throw new RangeError("no token of these texts counts");
    let loss = 0;
    for (const part of parts(weighted(texts), this.#capacity)) loss += (await this.#model.run(part, { backward })).loss;
    return loss;
  }
}
