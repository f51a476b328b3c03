// The forward pass: one program for each kind of step, prepared when first needed and run ever after.

import type { ModelConfig } from "../../files/families/config.ts";
import { pause } from "../../files/slices.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { ActivationForm } from "../../shaders/formats/device_format.ts";
import type { Device, Launch, Program } from "../device/device.ts";
import { expertTrace } from "./experts.ts";
import type { ForwardViews } from "./forward_views.ts";
import { layer } from "./layer.ts";
import { Stage } from "./stage.ts";
import { kindName, type StepKind } from "./step_kind.ts";

/** From ids to sampled tokens. `fixed`: how the table of a step without routers comes about. */
export function forward(s: Stage, fixed: readonly Launch[] = s.kind.lora === "none" ? [] : s.fix()): Launch[] {
  return [...s.embed(), ...embeddedToNormed(s, fixed), ...s.logits(), ...logitsToTokens(s)];
}

function embeddedToNormed(s: Stage, fixed: readonly Launch[] = s.kind.lora === "none" ? [] : s.fix()): Launch[] {
  return [...(s.kind.routed ? [] : fixed), ...s.views.weights.layers.flatMap((_, i) => layer(s, i)), s.finish()];
}

function logitsToTokens(s: Stage): Launch[] {
  return [...s.pick(), ...expertTrace(s)];
}

/** A forward pass in the pieces between which tables of adapters do their part. */
const PIECES = {
  embed: (s: Stage) => s.embed(),
  through: embeddedToNormed,
  head: (s: Stage) => s.logits(),
  pick: logitsToTokens,
};
export type Pieces = Record<keyof typeof PIECES, Program>;

/**
 * The form activations have between linear layers. int8 needs rows that divide into blocks of 32; that is the default
 * where the device takes it and a linear layer is quantised.
 * @throws MoloraError `bad_arguments` where int8 is asked for and cannot be had
 */
export function activationForm(
  device: Device,
  config: ModelConfig,
  wanted: ActivationForm | undefined,
): ActivationForm {
  const whole = [config.hiddenSize, config.intermediateSize, config.headDim].every((size) => size % 32 === 0);
  const possible = whole && device.wishes.int8Activations;
  if (wanted === "q8" && !possible) {
    throw new MoloraError("bad_arguments", "this model on this device has no int8 activations", {
      remedy: "Start the engine with f32 activations.",
    });
  }
  return wanted ?? (possible ? "q8" : "f32");
}

export class Forward {
  readonly #device: Device;
  readonly #views: ForwardViews;
  readonly #activations: ActivationForm;
  readonly #programs = new Map<string, Promise<Program>>();

  constructor(device: Device, views: ForwardViews, activations: ActivationForm) {
    this.#device = device;
    this.#views = views;
    this.#activations = activations;
  }

  /** Prepares programs that requests will ask for, side by side. `onProgress`: how many are done, and of how many. */
  async prepare(
    kinds: readonly StepKind[],
    onProgress: (done: number, total: number) => void = () => {},
  ): Promise<void> {
    let done = 0;
    const programs: Promise<void>[] = [];
    for (const kind of kinds) {
      await pause(); // one program is a few hundred launches
      programs.push(this.program(kind).then(() => onProgress(++done, kinds.length)));
    }
    await Promise.all(programs);
  }

  /** The launches of one kind of step, for whoever puts others together. */
  stage(kind: StepKind): Stage {
    return new Stage(this.#views, this.#activations, kind);
  }

  /** The program of one kind of step. One that failed to compile is tried again. */
  program(kind: StepKind): Promise<Program> {
    return this.#program(kindName(kind), () => forward(this.stage(kind)));
  }

  /** The same in pieces. */
  async pieces(kind: StepKind): Promise<Pieces> {
    const piece = (name: keyof Pieces) =>
      this.#program(`${name} ${kindName(kind)}`, () => PIECES[name](this.stage(kind)));
    const names = ["embed", "through", "head", "pick"] as const;
    const [embed, through, head, pick] = await Promise.all(names.map(piece));
    return { embed, through, head, pick };
  }

  #program(name: string, launches: () => Launch[]): Promise<Program> {
    let program = this.#programs.get(name);
    if (program === undefined) {
      program = this.#device.prepare(launches());
      this.#programs.set(name, program);
      program.catch(() => this.#programs.delete(name));
    }
    return program;
  }
}
