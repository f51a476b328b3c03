// The forward pass as launches: one list for each kind of step, built when first needed and re-encoded ever after.
// It knows nothing of sequences or requests; grids come from the shape of the step.

import type { ModelConfig } from "../../files/families/config.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { ActivationForm } from "../../shaders/activation_form.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { embedLaunches, headLaunches } from "./ends.ts";
import { layerLaunches } from "./layer.ts";
import { fixedLaunches } from "./routing.ts";
import { type ForwardParts, type Launches, Stage } from "./stage.ts";
import type { StepKind } from "./step_kind.ts";

/**
 * The form activations have between linear layers. int8 (with f32 sums, as llama.cpp computes on CPUs) needs rows that
 * divide into blocks of 32, and the body for software adapters. Throws `bad_arguments` where that does not hold.
 */
export function activationForm(gpu: Gpu, config: ModelConfig, wanted: ActivationForm): ActivationForm {
  const whole = [config.hiddenSize, config.intermediateSize, config.headDim].every((size) => size % 32 === 0);
  if (wanted === "f32" || (whole && gpu.body === "rowPerThread")) return wanted;
  throw new MoloraError("bad_arguments", "this model on this device has no int8 activations", {
    remedy: "Start the engine with f32 activations, the default.",
  });
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
