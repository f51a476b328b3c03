// Trains one LoRA on a frozen base.

import type { Device } from "../engine/device/device.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { LoraStack } from "./backward/lora_stack.ts";
import type { TrainingParts } from "./backward/model.ts";
import type { AdamWOptions } from "./optimizer/adamw.ts";
import type { AnchorOptions } from "./optimizer/anchor.ts";
import { Trainer } from "./trainer.ts";

export interface AdapterTrainerOptions extends Pick<TrainingParts, "config" | "weights" | "capacity"> {
  /** Where training starts. */
  adapter: Adapter["layers"];
  optimizer: AdamWOptions;
  /** What holds it near its start; absent: nothing does. */
  held?: AnchorOptions;
}

export class AdapterTrainer {
  readonly trainer: Trainer;
  readonly #stack: LoraStack;

  private constructor(trainer: Trainer, stack: LoraStack) {
    this.trainer = trainer;
    this.#stack = stack;
  }

  /** @throws MoloraError as TrainingModel.create. */
  static async create(device: Device, options: AdapterTrainerOptions): Promise<AdapterTrainer> {
    const { config, weights, capacity, adapter, optimizer, held } = options;
    const stack = new LoraStack(device, config, [adapter], true);
    const parts = { config, weights, stack, capacity };
    return new AdapterTrainer(await Trainer.create(device, parts, stack.parameters, optimizer, held), stack);
  }

  /** The adapter as it is on the device now. */
  async adapter(): Promise<Adapter["layers"]> {
    return this.#stack.unstack(await this.trainer.values(), 0);
  }
}
