// The forward pass as launches: one list for each kind of step, built when first needed and re-encoded ever after.
// It knows nothing of sequences or requests; grids come from the shape of the step.

import type { ActivationForm } from "../../shaders/activation_form.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { ModelConfig } from "./config.ts";
import { embedLaunches, headLaunches } from "./ends.ts";
import { layerLaunches } from "./layer.ts";
import type { WeightDtype } from "./linear_weights.ts";
import { fixedLaunches } from "./routing.ts";
import { type ForwardParts, type Launches, Stage } from "./stage.ts";
import type { StepKind } from "./step_kind.ts";

/**
 * int8 activations where they are faster than f32: weights that may be quantised, on a software adapter, whose f32
 * arithmetic is slow. Every row must divide into blocks of 32.
 */
export function activationForm(gpu: Gpu, config: ModelConfig, dtype: WeightDtype): ActivationForm {
  const whole = [config.hiddenSize, config.intermediateSize, config.headDim].every((size) => size % 32 === 0);
  return gpu.isSoftware && gpu.body === "rowPerThread" && dtype !== "f32" && whole ? "q8" : "f32";
}

export class Forward {
  readonly #gpu: Gpu;
  readonly #parts: ForwardParts;
  readonly #activations: ActivationForm;
  readonly #programs = new Map<string, Promise<Launches>>();

  constructor(gpu: Gpu, parts: ForwardParts, activations: ActivationForm) {
    this.#gpu = gpu;
    this.#parts = parts;
    this.#activations = activations;
  }

  /** Launches of one kind of step, from ids to sampled tokens. */
  program(kind: StepKind): Promise<Launches> {
    const key = `${kind.lora} ${kind.routed} ${kind.tokens} ${kind.rows}`;
    let program = this.#programs.get(key);
    if (program === undefined) {
      program = this.#build(kind);
      this.#programs.set(key, program);
    }
    return program;
  }

  async #build(kind: StepKind): Promise<Launches> {
    const stage = new Stage(this.#gpu, this.#parts, this.#activations, kind);
    const launches = await embedLaunches(stage);
    if (kind.lora !== "none" && !kind.routed) launches.push(...(await fixedLaunches(stage)));
    for (let i = 0; i < this.#parts.config.numLayers; i++) launches.push(...(await layerLaunches(stage, i)));
    return [...launches, ...(await headLaunches(stage))];
  }
}
