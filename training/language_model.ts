// Trains a mixture's router end to end: the language-model loss of texts, through the frozen base and frozen adapters.
// Start it from gates that know their experts (objective domain or distill): from random ones, a straight-through
// gradient finds little.

import type { Device } from "../engine/device/device.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import type { MlpGate, Router } from "../router/mixture.ts";
import { LoraStack } from "./backward/lora_stack.ts";
import type { TrainingParts } from "./backward/model.ts";
import type { AuxiliaryWeights } from "./backward/router.ts";
import { RouterStack } from "./backward/router_stack.ts";
import type { AdamWOptions } from "./optimizer/adamw.ts";
import { Trainer } from "./trainer.ts";

export interface LanguageModelOptions extends Pick<TrainingParts, "config" | "weights" | "capacity"> {
  /** In the order of the router's outputs; undefined adds nothing (the base). */
  experts: readonly (Adapter["layers"] | undefined)[];
  /** Where training starts: an mlp router with its gates. */
  router: Router;
  auxiliary: AuxiliaryWeights;
  optimizer: AdamWOptions;
}

export class LanguageModelTrainer {
  readonly trainer: Trainer;
  readonly #stack: RouterStack;
  readonly #layers: number;

  private constructor(trainer: Trainer, stack: RouterStack, layers: number) {
    this.trainer = trainer;
    this.#stack = stack;
    this.#layers = layers;
  }

  /** @throws RangeError for a router without gates; MoloraError as TrainingModel.create. */
  static async create(device: Device, options: LanguageModelOptions): Promise<LanguageModelTrainer> {
    const { config, weights, capacity, experts, auxiliary, optimizer } = options;
    const stack = new LoraStack(device, config, experts, false);
    const router = new RouterStack(device, config, options.router, experts.length);
    const parts = { config, weights, stack, router, auxiliary, capacity };
    const trainer = await Trainer.create(device, parts, router.parameters, optimizer);
    return new LanguageModelTrainer(trainer, router, config.numLayers);
  }

  /** The gates as they are on the device now. */
  async gates(): Promise<MlpGate[]> {
    return this.#stack.gates(await this.trainer.values(), this.#layers);
  }
}
