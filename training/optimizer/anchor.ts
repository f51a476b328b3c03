// Holds parameters near where a training began, each by how much it mattered to what was learned before: elastic weight consolidation
// (Kirkpatrick et al. 2017), with one anchor for all earlier tasks (Schwarz et al. 2018, "Progress & Compress", γ = 1).

import type { Device, Program } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import { launch } from "../../shaders/kernel.ts";
import { anchor } from "../../shaders/training/anchor.ts";
import { PARTIALS } from "../../shaders/training/squares.ts";
import { checkImportance, type Importance } from "../importance.ts";
import type { Parameters } from "./parameters.ts";

export interface AnchorOptions {
  /** λ: the penalty is λ/2 · Σ importance · (value − start)². */
  strength: number;
  /** By parameter; absent: every weight is held alike. */
  importance?: Importance;
}

export class Anchor {
  readonly #device: Device;
  readonly #partials: View;
  readonly #program: Program<void>;

  private constructor(device: Device, partials: View, program: Program<void>) {
    this.#device = device;
    this.#partials = partials;
    this.#program = program;
  }

  /**
   * Anchors the parameters where they are now.
   *
   * @throws RangeError for frozen ones; MoloraError `data_invalid` for the importance of others
   */
  static async create(
    device: Device,
    parameters: Parameters,
    { strength, importance }: AnchorOptions,
  ): Promise<Anchor> {
    const { count, values, gradients } = parameters;
    if (gradients === undefined) throw new RangeError("frozen parameters need no anchor");
    const anchors = device.allocate("anchors", count * 4);
    const weights = device.allocate("importance", count * 4);
    const start = await parameters.read();
    if (importance !== undefined) checkImportance(importance, start);
    parameters.write(start, anchors);
    parameters.write(importance ?? ones(start), weights);
    const partials = device.allocate("penalty", PARTIALS * 4);
    const views = { values, anchors, importance: weights, gradients, partials };
    const program = await device.prepare([launch(anchor, { count, strength }, views)]);
    return new Anchor(device, partials, program);
  }

  /** Adds the penalty's gradient to the parameters' and returns the penalty. */
  async pull(): Promise<number> {
    const bytes = await this.#device.run([this.#program], undefined, [this.#partials]);
    return new Float32Array(bytes).reduce((sum, part) => sum + part, 0);
  }
}

function ones(like: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
  return new Map([...like].map(([name, { length }]) => [name, new Float32Array(length).fill(1)]));
}
