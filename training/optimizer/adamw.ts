// AdamW on a Parameters' flat buffers, with clipping by the global norm of the gradient.
// The caller gives the rate of each step (schedule.ts).

import type { Buffers, View } from "../../engine/gpu/buffers.ts";
import type { Gpu } from "../../engine/gpu/gpu.ts";
import { encode, type Launch, launch } from "../../engine/gpu/program.ts";
import { readView } from "../../engine/gpu/readback.ts";
import { adamw, adamwGrid, RULE_FLOATS } from "../../shaders/training/adamw.ts";
import { PARTIALS, squares, squaresGrid } from "../../shaders/training/squares.ts";
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

export class AdamW {
  /** Steps taken. */
  steps = 0;
  readonly #gpu: Gpu;
  readonly #parameters: Parameters;
  readonly #options: Required<AdamWOptions>;
  readonly #gradients: View;
  readonly #rule: View;
  readonly #means: View;
  readonly #squares: View;
  readonly #partials: View;
  readonly #update: Launch<void>;
  readonly #norm: Launch<void>;

  private constructor(
    gpu: Gpu,
    parameters: Parameters,
    options: Required<AdamWOptions>,
    views: Record<"gradients" | "rule" | "means" | "squares" | "partials", View>,
    launches: { update: Launch<void>; norm: Launch<void> },
  ) {
    this.#gpu = gpu;
    this.#parameters = parameters;
    this.#options = options;
    this.#gradients = views.gradients;
    this.#rule = views.rule;
    this.#means = views.means;
    this.#squares = views.squares;
    this.#partials = views.partials;
    this.#update = launches.update;
    this.#norm = launches.norm;
  }

  /** @throws RangeError for frozen parameters. */
  static async create(gpu: Gpu, buffers: Buffers, parameters: Parameters, options: AdamWOptions = {}): Promise<AdamW> {
    const { count, values, gradients } = parameters;
    if (gradients === undefined) throw new RangeError("frozen parameters have no optimizer");
    const rule = buffers.uniform("adamw rule", RULE_FLOATS * 4);
    const means = buffers.storage("adamw means", count * 4);
    const second = buffers.storage("adamw squares", count * 4);
    const partials = buffers.storage("gradient norm", PARTIALS * 4);
    const step = adamw({ count });
    const sum = squares({ count });
    const update = launch(
      gpu,
      await gpu.pipelines.get(step.kernel, step.constants),
      { rule, gradients, values, means, squares: second },
      adamwGrid(count),
    );
    const norm = launch(
      gpu,
      await gpu.pipelines.get(sum.kernel, sum.constants),
      { values: gradients, partials },
      squaresGrid,
    );
    const settled = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, clip: Number.POSITIVE_INFINITY, ...options };
    return new AdamW(gpu, parameters, settled, { gradients, rule, means, squares: second, partials }, { update, norm });
  }

  /** Updates the values by the gradients added up so far, then zeroes these. Returns their norm before clipping. */
  async step(rate: number): Promise<number> {
    this.#run(this.#norm);
    const partials = new Float32Array(await readView(this.#gpu, this.#partials));
    const norm = Math.sqrt(partials.reduce((sum, value) => sum + value, 0));
    // A step on a NaN would destroy every value: the caller sees the norm and decides
    if (!Number.isFinite(norm)) return norm;
    this.steps++;
    const { beta1, beta2, epsilon, decay, clip } = this.#options;
    const corrections = [1 - beta1 ** this.steps, 1 - beta2 ** this.steps];
    // The small addend is PyTorch's (clip_grad_norm_).
    const scale = norm > clip ? clip / (norm + 1e-6) : 1;
    const rule = Float32Array.of(rate, beta1, beta2, epsilon, decay, ...corrections, scale);
    this.#gpu.queue.writeBuffer(this.#rule.buffer, this.#rule.offset, rule);
    this.#run(this.#update);
    return norm;
  }

  /** Sets the gradients to zero. */
  clear(): void {
    const encoder = this.#gpu.device.createCommandEncoder();
    encoder.clearBuffer(this.#gradients.buffer, this.#gradients.offset, this.#gradients.size);
    this.#gpu.queue.submit([encoder.finish()]);
  }

  async state(): Promise<AdamWState> {
    return {
      step: this.steps,
      means: await this.#parameters.read(this.#gpu, this.#means),
      squares: await this.#parameters.read(this.#gpu, this.#squares),
    };
  }

  restore(state: AdamWState): void {
    this.steps = state.step;
    this.#parameters.write(this.#gpu, state.means, this.#means);
    this.#parameters.write(this.#gpu, state.squares, this.#squares);
  }

  #run(launches: Launch<void>): void {
    const encoder = this.#gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode<void>(pass, [launches], undefined);
    pass.end();
    if (launches === this.#update) {
      encoder.clearBuffer(this.#gradients.buffer, this.#gradients.offset, this.#gradients.size);
    }
    this.#gpu.queue.submit([encoder.finish()]);
  }
}
