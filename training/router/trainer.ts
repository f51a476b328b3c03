// Trains one mixture's router on a frozen model: each batch of texts with targets is one step of AdamW.

import type { LoadedMixture } from "../../engine/adapters/generation.ts";
import type { Program } from "../../engine/device/device.ts";
import { stepKind } from "../../engine/model/step_kind.ts";
import { REPORT_BYTES } from "../../shaders/training/label_loss.ts";
import type { FrozenModel } from "../frozen/frozen_model.ts";
import { intoSteps, uploadTexts } from "../frozen/texts.ts";
import { AdamW, type AdamWOptions } from "../optimizer/adamw.ts";
import { allocateRouterWorkspace, type RouterWorkspace, reportStride, routerLaunches } from "./launches.ts";
import type { GateParameters } from "./parameters.ts";

/** A text and the beliefs that its router should have at each token. */
export interface LabelledText {
  ids: readonly number[];
  /** [tokens, experts]: rows sum to the token's weight, 0 where it does not count. */
  targets: Float32Array;
}

/** How well one layer fits the targets, over the tokens that have some. */
export interface LayerFit {
  /** Mean cross-entropy, in nats. */
  loss: number;
  /** Share of tokens whose best expert is the target's. */
  agreement: number;
}

export interface StepReport {
  /** Means over layers. */
  loss: number;
  agreement: number;
  layers: LayerFit[];
  /** All tokens of the texts. */
  tokens: number;
  /** Norm of the gradient before clipping; 0 where nothing was learned. */
  gradientNorm: number;
}

export interface TrainerOptions extends AdamWOptions {
  /** Rows [first, end) of every fc2 that may change; default: everything may. */
  rows?: readonly [first: number, end: number];
}

export class RouterTrainer {
  readonly gates: GateParameters;
  readonly optimizer: AdamW;
  readonly #model: FrozenModel;
  readonly #mixture: LoadedMixture;
  readonly #rows: TrainerOptions["rows"];
  readonly #workspace: RouterWorkspace;
  readonly #programs = new Map<boolean, Promise<Program>>();

  private constructor(
    model: FrozenModel,
    mixture: LoadedMixture,
    gates: GateParameters,
    optimizer: AdamW,
    rows: TrainerOptions["rows"],
  ) {
    this.#rows = rows;
    this.#model = model;
    this.#mixture = mixture;
    this.gates = gates;
    this.optimizer = optimizer;
    this.#workspace = allocateRouterWorkspace(model, gates);
  }

  /** `mixture` is one of the model's; its router's weights on the device follow `gates` from now on. */
  static async create(
    model: FrozenModel,
    mixture: LoadedMixture,
    gates: GateParameters,
    { rows, ...options }: TrainerOptions,
  ): Promise<RouterTrainer> {
    const optimizer = await AdamW.create(model.device, gates.parameters, options);
    const trainer = new RouterTrainer(model, mixture, gates, optimizer, rows);
    trainer.publish();
    return trainer;
  }

  /** Learns from a batch, in as many sub-steps as the capacity asks for. A gradient that is not finite changes nothing. */
  async step(texts: readonly LabelledText[], rate: number): Promise<StepReport> {
    const report = await this.#run(texts, true);
    if (this.#rows !== undefined) this.gates.keepRows(this.#model.device, ...this.#rows);
    report.gradientNorm = await this.optimizer.step(rate);
    this.publish();
    return report;
  }

  /** The same texts' loss and agreement, learning nothing. */
  evaluate(texts: readonly LabelledText[]): Promise<StepReport> {
    return this.#run(texts, false);
  }

  /** Copies the trained values to where the forward pass reads them. */
  publish(): void {
    this.gates.publish(this.#model, this.#mixture);
  }

  async #run(texts: readonly LabelledText[], learns: boolean): Promise<StepReport> {
    const { config } = this.#model;
    const counted = texts.reduce((sum, { targets }) => sum + targets.reduce((all, y) => all + y, 0), 0);
    // The mean over tokens and layers: texts without any target weigh nothing
    const scale = counted > 0 ? 1 / (counted * config.numLayers) : 0;
    const sums = Array.from({ length: config.numLayers }, () => ({ loss: 0, agreed: 0, weight: 0 }));
    const steps = intoSteps(texts, this.#model, ({ ids }) => ids.length);
    for (const step of steps) await this.#runStep(step.texts, scale, learns, sums);
    const layers = sums.map(({ loss, agreed, weight }) => ({
      loss: weight > 0 ? loss / weight : 0,
      agreement: weight > 0 ? agreed / weight : 0,
    }));
    return {
      loss: mean(layers.map(({ loss }) => loss)),
      agreement: mean(layers.map(({ agreement }) => agreement)),
      layers,
      tokens: texts.reduce((sum, { ids }) => sum + ids.length, 0),
      gradientNorm: 0,
    };
  }

  async #runStep(
    texts: readonly LabelledText[],
    scale: number,
    learns: boolean,
    sums: { loss: number; agreed: number; weight: number }[],
  ): Promise<void> {
    const { device, capacity } = this.#model;
    const plan = { kind: "router", key: this.#mixture.key } as const;
    const { shape } = uploadTexts(
      this.#model,
      texts.map(({ ids }) => ({ ids, plan })),
      false,
    );
    const { targets, reports } = this.#workspace;
    device.write(targets, concat(texts, scale));
    const bytes = await device.run([await this.#program(learns)], shape, [reports.whole]);
    const floats = new Float32Array(bytes);
    const stride = reportStride(capacity.sequences) / 4;
    for (const [layer, sum] of sums.entries()) {
      for (let s = 0; s < texts.length; s++) {
        const at = layer * stride + (s * REPORT_BYTES) / 4;
        sum.loss += floats[at];
        sum.agreed += floats[at + 1];
        sum.weight += floats[at + 2];
      }
    }
  }

  #program(learns: boolean): Promise<Program> {
    let program = this.#programs.get(learns);
    if (program === undefined) {
      const { device, capacity } = this.#model;
      const { tokens, entries } = capacity;
      // One kind for every step: texts are long enough to be sorted by adapter.
      const kind = stepKind({ tokens, rows: 0, entries, routed: true }, device.wishes.tiles);
      program = device.prepare(routerLaunches(this.#model.stage(kind), this.gates, this.#workspace, learns));
      this.#programs.set(learns, program);
    }
    return program;
  }
}

function concat(texts: readonly LabelledText[], scale: number): Float32Array<ArrayBuffer> {
  const all = new Float32Array(texts.reduce((sum, { targets }) => sum + targets.length, 0));
  let at = 0;
  for (const { targets } of texts) {
    for (const y of targets) all[at++] = y * scale;
  }
  return all;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
