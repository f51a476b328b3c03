// Trains parameters on the language-model loss of texts: each batch is one step of AdamW.

import type { Device } from "../engine/device/device.ts";
import { MoloraError } from "../proto/errors.ts";
import { TrainingModel, type TrainingParts, type TrainingResult } from "./backward/model.ts";
import type { TrainingState } from "./checkpoint.ts";
import { AdamW, type AdamWOptions } from "./optimizer/adamw.ts";
import { Anchor, type AnchorOptions } from "./optimizer/anchor.ts";
import type { Parameters } from "./optimizer/parameters.ts";
import { countedTokens, cutBatch, type TrainingText, weighted } from "./training_texts.ts";

export interface TrainedStep {
  /** Mean over the tokens that count, in nats, before the step. */
  loss: number;
  /** What holds the parameters near an anchor, where there is one, before the step. */
  penalty?: number;
  /** Norm of the gradient before clipping, the penalty's included. */
  gradientNorm: number;
  /** All tokens of the texts. */
  tokens: number;
  /** With a router, [layer][expert]: the share of tokens it got, and the mean of p, over the batch. */
  loads: TrainingResult["loads"];
}

export class Trainer {
  readonly #model: TrainingModel;
  readonly #parameters: Parameters;
  readonly #optimizer: AdamW;
  readonly #anchor: Anchor | undefined;
  readonly #capacity: TrainingParts["capacity"];

  private constructor(
    model: TrainingModel,
    parameters: Parameters,
    { optimizer, anchor }: { optimizer: AdamW; anchor: Anchor | undefined },
    capacity: TrainingParts["capacity"],
  ) {
    this.#model = model;
    this.#parameters = parameters;
    this.#optimizer = optimizer;
    this.#anchor = anchor;
    this.#capacity = capacity;
  }

  /**
   * A batch beyond the model's capacity is computed piece by piece. `held`: what holds the parameters near where they are now.
   *
   * @throws MoloraError as TrainingModel.create.
   */
  static async create(
    device: Device,
    parts: TrainingParts,
    parameters: Parameters,
    options: AdamWOptions,
    held?: AnchorOptions,
  ): Promise<Trainer> {
    const model = await TrainingModel.create(device, parts);
    const optimizer = await AdamW.create(device, parameters, options);
    const anchor = held && (await Anchor.create(device, parameters, held));
    return new Trainer(model, parameters, { optimizer, anchor }, parts.capacity);
  }

  /** Steps taken. */
  get steps(): number {
    return this.#optimizer.steps;
  }

  /**
   * Learns from a batch.
   *
   * @throws MoloraError `tensor_not_finite` for a gradient that is not finite; nothing was changed then.
   */
  async step(texts: readonly TrainingText[], rate: number): Promise<TrainedStep> {
    const { loss, loads } = await this.#run(texts, true);
    const penalty = await this.#anchor?.pull();
    const gradientNorm = await this.#optimizer.step(rate);
    if (!Number.isFinite(gradientNorm)) {
      this.#optimizer.clear();
      throw new MoloraError("tensor_not_finite", `the gradient of step ${this.steps + 1} is not finite`, {
        remedy: "Train with a lower learning rate, or hold the weights in f32.",
      });
    }
    const held = penalty === undefined ? {} : { penalty };
    return { loss, ...held, gradientNorm, tokens: tokensOf(texts), loads };
  }

  /** Mean loss over the tokens that count, in nats. Nothing is learned. */
  async evaluate(texts: readonly TrainingText[]): Promise<number> {
    return (await this.#run(texts, false)).loss;
  }

  /**
   * How much each parameter matters to these texts: the mean over texts of its squared gradient, the diagonal of the empirical
   * Fisher information. Nothing is learned.
   */
  async importance(texts: readonly TrainingText[]): Promise<Map<string, Float32Array>> {
    const sums = new Map<string, Float32Array>();
    for (const text of texts) {
      await this.#run([text], true);
      for (const [name, gradient] of await this.#parameters.read(this.#parameters.gradients)) {
        const sum = sums.get(name) ?? new Float32Array(gradient.length);
        for (let i = 0; i < sum.length; i++) sum[i] += gradient[i] ** 2 / texts.length;
        sums.set(name, sum);
      }
      this.#optimizer.clear();
    }
    return sums;
  }

  /** The parameters as they are on the device now. */
  values(): Promise<Map<string, Float32Array>> {
    return this.#parameters.read();
  }

  async state(): Promise<TrainingState> {
    return { values: await this.values(), ...(await this.#optimizer.state()) };
  }

  /** Goes on from a state of parameters of the same names and sizes. */
  restore(state: TrainingState): void {
    this.#parameters.write(state.values);
    this.#optimizer.restore(state);
  }

  async #run(texts: readonly TrainingText[], backward: boolean): Promise<Pick<TrainingResult, "loss" | "loads">> {
    if (countedTokens(texts) === 0) throw new RangeError("no token of these texts counts");
    let loss = 0;
    let loads: TrainingResult["loads"] = [];
    const all = tokensOf(texts);
    for (const piece of cutBatch(weighted(texts), this.#capacity)) {
      const result = await this.#model.run(piece, { backward, batchTokens: all });
      const share = tokensOf(piece) / all;
      loss += result.loss;
      loads = result.loads.map((layer, i) =>
        layer.map(([f, p], e) => [(loads[i]?.[e]?.[0] ?? 0) + share * f, (loads[i]?.[e]?.[1] ?? 0) + share * p]),
      );
    }
    return { loss, loads };
  }
}

function tokensOf(texts: readonly { ids: readonly number[] }[]): number {
  return texts.reduce((sum, { ids }) => sum + ids.length, 0);
}
