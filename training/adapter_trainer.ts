// Trains one LoRA on a frozen base.

import type { Buffers } from "../engine/gpu/buffers.ts";
import type { Gpu } from "../engine/gpu/gpu.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { LoraStack } from "./backward/lora_stack.ts";
import type { TrainingParts } from "./backward/model.ts";
import type { AdamWOptions } from "./optimizer/adamw.ts";
import { Trainer } from "./trainer.ts";

export interface AdapterTrainerOptions extends Pick<TrainingParts, "config" | "weights" | "capacity"> {
  /** Where training starts. */
  adapter: Adapter["layers"];
  optimizer: AdamWOptions;
}

export class AdapterTrainer {
  readonly trainer: Trainer;
  readonly #stack: LoraStack;

  private constructor(trainer: Trainer, stack: LoraStack) {
    this.trainer = trainer;
    this.#stack = stack;
  }

  /** @throws MoloraError as TrainingModel.create. */
  static async create(gpu: Gpu, buffers: Buffers, options: AdapterTrainerOptions): Promise<AdapterTrainer> {
    const { config, weights, capacity, adapter, optimizer } = options;
    const stack = new LoraStack(buffers, config, [adapter], true);
    const described = { config, weights, stack, capacity };
    return new AdapterTrainer(await Trainer.create(gpu, buffers, described, stack.parameters, optimizer), stack);
  }

  /** The adapter as it is on the device now. */
  async adapter(): Promise<Adapter["layers"]> {
    return this.#stack.unstack(await this.trainer.values(), 0);
  }
}
