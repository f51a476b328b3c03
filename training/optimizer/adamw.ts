// AdamW on a Parameters' flat buffers, with clipping by the global norm of the gradient.
// The caller gives the rate of each step (schedule.ts).

import type { Device, Program } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import { launch } from "../../shaders/kernel.ts";
import { wordBuffer } from "../../shaders/struct.ts";
import { adamw, RULE } from "../../shaders/training/adamw.ts";
import { PARTIALS, squares } from "../../shaders/training/squares.ts";
import type { Parameters } from "./parameters.ts";

export interface AdamWOptions {
  /** Default .9. */
  beta1?: number;
  /** Default .999. */
  beta2?: number;
  /** Default 1e-8. */
  epsilon?: number;
  /** Decoupled weight decay; default 0. */
  decay?: number;
  /** Gradients of a larger norm are scaled down to it; default: never. */
  clip?: number;
}

/** The state that a checkpoint keeps beside the values. */
export interface AdamWState {
  step: number;
  means: Map<string, Float32Array>;
  squares: Map<string, Float32Array>;
}

type AdamWViews = Record<"gradients" | "rule" | "means" | "squares" | "partials", View>;

export class AdamW {
  /** Steps taken. */
  steps = 0;
  readonly #device: Device;
  readonly #parameters: Parameters;
  readonly #options: Required<AdamWOptions>;
  readonly #views: AdamWViews;
  readonly #update: Program<void>;
  readonly #norm: Program<void>;

  private constructor(
    device: Device,
    parameters: Parameters,
    options: Required<AdamWOptions>,
    views: AdamWViews,
    programs: { update: Program<void>; norm: Program<void> },
  ) {
    this.#device = device;
    this.#parameters = parameters;
    this.#options = options;
    this.#views = views;
    this.#update = programs.update;
    this.#norm = programs.norm;
  }

  /** @throws RangeError for frozen parameters */
  static async create(device: Device, parameters: Parameters, options: AdamWOptions = {}): Promise<AdamW> {
    const { count, values, gradients } = parameters;
    if (gradients === undefined) throw new RangeError("frozen parameters have no optimizer");
    const views: AdamWViews = {
      gradients,
      rule: device.allocate("adamw rule", RULE.bytes, "uniform"),
      means: device.allocate("adamw means", count * 4),
      squares: device.allocate("adamw squares", count * 4),
      partials: device.allocate("gradient norm", PARTIALS * 4),
    };
    const update = await device.prepare([launch(adamw, { count }, { ...views, values })]);
    const norm = await device.prepare([launch(squares, { count }, { values: gradients, partials: views.partials })]);
    const settled = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, clip: Number.POSITIVE_INFINITY, ...options };
    return new AdamW(device, parameters, settled, views, { update, norm });
  }

  /** Updates the values by the gradients added up so far, then zeroes these. Returns their norm before clipping. */
  async step(rate: number): Promise<number> {
    const bytes = await this.#device.run([this.#norm], undefined, [this.#views.partials]);
    const partials = new Float32Array(bytes);
    const norm = Math.sqrt(partials.reduce((sum, value) => sum + value, 0));
    // A step on a NaN would destroy every value: the caller sees the norm and decides
    if (!Number.isFinite(norm)) return norm;
    this.steps++;
    const { beta1, beta2, epsilon, decay, clip } = this.#options;
    // The small addend is PyTorch's (clip_grad_norm_).
    const scale = norm > clip ? clip / (norm + 1e-6) : 1;
    const rule = wordBuffer(RULE.bytes);
    const [correction1, correction2] = [1 - beta1 ** this.steps, 1 - beta2 ** this.steps];
    RULE.write(rule, 0, { rate, beta1, beta2, epsilon, decay, correction1, correction2, scale });
    this.#device.write(this.#views.rule, rule.words);
    this.#device.run([this.#update], undefined);
    this.clear();
    return norm;
  }

  /** Sets the gradients to zero. */
  clear(): void {
    this.#device.zero(this.#views.gradients);
  }

  async state(): Promise<AdamWState> {
    return {
      step: this.steps,
      means: await this.#parameters.read(this.#views.means),
      squares: await this.#parameters.read(this.#views.squares),
    };
  }

  restore(state: AdamWState): void {
    this.steps = state.step;
    this.#parameters.write(state.means, this.#views.means);
    this.#parameters.write(state.squares, this.#views.squares);
  }
}
