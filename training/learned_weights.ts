// Weights of adapters learned per module: by the loss on texts (LoRA Soups), or by the entropy of predictions (AdaMerging).
// Base and adapters stay as they are; what comes out is for composition/merge/.

import type { Device } from "../engine/device/device.ts";
import { LORA_MODULES, type LoraModuleName } from "../files/families/modules.ts";
import { familyOf } from "../files/families/registry.ts";
import { modulePath } from "../files/families/tensor_names.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { MoloraError } from "../proto/errors.ts";
import { LoraStack } from "./backward/lora_stack.ts";
import { TrainingModel, type TrainingParts } from "./backward/model.ts";
import { AdamW } from "./optimizer/adamw.ts";
import { Parameters } from "./optimizer/parameters.ts";
import { cutBatch, drawBatch, type TrainingText, weighted } from "./training_texts.ts";

export interface LearnedWeightsOptions extends Pick<TrainingParts, "config" | "weights" | "capacity"> {
  adapters: readonly Adapter[];
  /**
   * `soup`: the loss of counted tokens, weights of a module sum to 1 (softmax). `entropy`: no labels, free weights that
   * begin at .3 (AdaMerging's start).
   */
  objective: "soup" | "entropy";
}

const FREE_START = 0.3;

/** One number an adapter and module: c, of which the weights are made. */
type Key = `${number}.${LoraModuleName}`;
type Places = ReadonlyMap<Key, readonly { expert: number; at: number }[]>;

/**
 * Sources: LoRA Soups (Prabhakar et al. 2024, arXiv 2410.13025), learned CAT; AdaMerging (Yang et al. 2023,
 * arXiv 2310.02575), whose classifiers' entropy is that of the next token here.
 */
export class WeightLearner {
  readonly #options: LearnedWeightsOptions;
  readonly #model: TrainingModel;
  readonly #stack: LoraStack;
  readonly #originals: ReadonlyMap<string, Float32Array>;
  readonly #numbers: Parameters;
  readonly #optimizer: AdamW;
  /** Which of `numbers` belong to a module, in the order of its adapters. */
  readonly #places: Places;
  #values: Float32Array;

  private constructor(
    options: LearnedWeightsOptions,
    parts: { model: TrainingModel; stack: LoraStack; originals: ReadonlyMap<string, Float32Array> },
    learned: { numbers: Parameters; optimizer: AdamW; places: Places; values: Float32Array },
  ) {
    this.#options = options;
    this.#model = parts.model;
    this.#stack = parts.stack;
    this.#originals = parts.originals;
    this.#numbers = learned.numbers;
    this.#optimizer = learned.optimizer;
    this.#places = learned.places;
    this.#values = learned.values;
  }

  /** @throws MoloraError as TrainingModel.create */
  static async create(device: Device, options: LearnedWeightsOptions): Promise<WeightLearner> {
    const { config, weights, capacity, adapters, objective } = options;
    const layers = adapters.map((adapter) => adapter.layers);
    const stack = new LoraStack(device, config, layers, true);
    const model = await TrainingModel.create(device, { config, weights, stack, capacity });
    const originals = await stack.parameters.read();
    const places = placesOf(layers, config.numLayers);
    const count = [...places.values()].reduce((sum, own) => sum + own.length, 0);
    const values = new Float32Array(count).fill(objective === "soup" ? 0 : FREE_START);
    const numbers = new Parameters(device, "merge weights", new Map([["c", values]]), true);
    const optimizer = await AdamW.create(device, numbers);
    return new WeightLearner(options, { model, stack, originals }, { numbers, optimizer, places, values });
  }

  /** Learns from a batch; its loss, or mean entropy, in nats, before. @throws MoloraError `tensor_not_finite` */
  async step(texts: readonly TrainingText[], rate: number): Promise<number> {
    const { gradients } = this.#stack.parameters;
    const weights = this.#weights();
    this.#stack.weigh(this.#originals, (layer, module, expert) => weights.get(`${layer}.${module}`)!.get(expert)!);
    let loss = 0;
    const entropy = this.#options.objective === "entropy";
    for (const piece of cutBatch(weighted(texts), this.#options.capacity)) {
      loss += (await this.#model.run(piece, { backward: true, entropy })).loss;
    }
    const read = await this.#stack.parameters.read(gradients);
    this.#numbers.write(new Map([["c", this.#gradient(read, weights)]]), this.#numbers.gradients);
    const norm = await this.#optimizer.step(rate);
    if (!Number.isFinite(norm)) {
      throw new MoloraError("tensor_not_finite", `the gradient of step ${this.#optimizer.steps + 1} is not finite`);
    }
    this.#stack.parameters.clear();
    this.#values = (await this.#numbers.read()).get("c")!;
    return loss;
  }

  /** By path: the weight of every adapter there, 0 of those that do not extend the module. */
  placeWeights(): Map<string, number[]> {
    const { config, adapters } = this.#options;
    const family = familyOf(config);
    return new Map(
      [...this.#weights()].map(([key, own]) => {
        const [layer, module] = key.split(".") as [string, LoraModuleName];
        return [modulePath(family, Number(layer), module), adapters.map((_, i) => own.get(i) ?? 0)];
      }),
    );
  }

  #weights(): Map<Key, Map<number, number>> {
    const soup = this.#options.objective === "soup";
    return new Map(
      [...this.#places].map(([key, own]) => {
        const values = own.map(({ at }) => (soup ? Math.exp(this.#values[at]) : this.#values[at]));
        const total = soup ? values.reduce((sum, value) => sum + value, 0) : 1;
        return [key, new Map(own.map(({ expert }, i) => [expert, values[i] / total]))];
      }),
    );
  }

  /** ∂L/∂cᵢ = gᵢ for free weights, pᵢ·(gᵢ − Σ pⱼ·gⱼ) behind a softmax, with gᵢ the gradient of a weight. */
  #gradient(read: ReadonlyMap<string, Float32Array>, weights: Map<Key, Map<number, number>>): Float32Array {
    const responses = new Map<Key, Map<number, number>>();
    for (const { layer, module, expert, value } of this.#stack.responses(this.#originals, read)) {
      const key: Key = `${layer}.${module}`;
      responses.set(key, (responses.get(key) ?? new Map<number, number>()).set(expert, value));
    }
    const gradient = new Float32Array(this.#values.length);
    for (const [key, own] of this.#places) {
      const [g, p] = [responses.get(key)!, weights.get(key)!];
      const mean = own.reduce((sum, { expert }) => sum + p.get(expert)! * g.get(expert)!, 0);
      for (const { expert, at } of own) {
        const value = g.get(expert)!;
        gradient[at] = this.#options.objective === "soup" ? p.get(expert)! * (value - mean) : value;
      }
    }
    return gradient;
  }
}

function placesOf(layers: readonly Adapter["layers"][], count: number): Places {
  const places = new Map<Key, { expert: number; at: number }[]>();
  let at = 0;
  for (let layer = 0; layer < count; layer++) {
    for (const module of LORA_MODULES) {
      const own = layers.flatMap((adapter, expert) => (adapter[layer]?.[module] ? [{ expert, at: at++ }] : []));
      if (own.length > 0) places.set(`${layer}.${module}`, own);
    }
  }
  return places;
}

export interface LearnOptions {
  texts: readonly TrainingText[];
  steps: number;
  batch: number;
  rate: number;
  seed: number;
  signal: AbortSignal;
  onStep: (step: number, loss: number) => void;
}

export interface Learned {
  /** Of each step's rows before the step: rows differ, so these do not compare. */
  losses: number[];
  /** Of the first step's rows before and after all steps. */
  firstRows: [before: number, after: number];
}

/** @throws MoloraError `cancelled` */
export async function learnWeights(learner: WeightLearner, options: LearnOptions): Promise<Learned> {
  const { texts, steps, batch, rate, seed, signal, onStep } = options;
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    if (signal.aborted) throw new MoloraError("cancelled", "learning weights was interrupted");
    losses.push(await learner.step(drawBatch(texts, batch, seed, step), rate));
    onStep(step + 1, losses[step]);
  }
  // A step of length 0 changes nothing.
  const after = await learner.step(drawBatch(texts, batch, seed, 0), 0);
  return { losses, firstRows: [losses[0], after] };
}
