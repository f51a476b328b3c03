// What every layer's router reads, its normed input to attention, of whole texts under the base alone.

import type { Program } from "../../engine/device/device.ts";
import { subView, type View } from "../../engine/device/memory.ts";
import { enter, layer } from "../../engine/model/layer.ts";
import { stepKind } from "../../engine/model/step_kind.ts";
import { launch } from "../../shaders/kernel.ts";
import { add } from "../../shaders/training/add.ts";
import type { FrozenModel } from "./frozen_model.ts";
import { intoSteps, uploadTexts } from "./texts.ts";

export class LayerInputs {
  readonly #model: FrozenModel;
  /** [layers, T, hidden] */
  readonly #kept: View;
  #program: Promise<Program> | undefined;

  constructor(model: FrozenModel) {
    this.#model = model;
    const { device, config, capacity } = model;
    this.#kept = device.allocate("layer inputs", config.numLayers * capacity.tokens * config.hiddenSize * 4);
  }

  /** For each text, in their order: per layer [tokens, hidden]. A step's worth is held in host memory at a time. */
  async *of(texts: readonly (readonly number[])[]): AsyncGenerator<Float32Array[]> {
    const { device, config, capacity } = this.#model;
    const stride = capacity.tokens * config.hiddenSize;
    for (const step of intoSteps(texts, this.#model, (ids) => ids.length)) {
      const planned = step.texts.map((ids) => ({ ids, plan: { kind: "none" } as const }));
      const { shape } = uploadTexts(this.#model, planned, false);
      this.#program ??= device.prepare(this.#launches());
      const floats = new Float32Array(await device.run([await this.#program], shape, [this.#kept]));
      let first = 0;
      for (const ids of step.texts) {
        const [from, to] = [first * config.hiddenSize, (first + ids.length) * config.hiddenSize];
        yield Array.from({ length: config.numLayers }, (_, i) => floats.slice(i * stride + from, i * stride + to));
        first += ids.length;
      }
    }
  }

  #launches() {
    const { device, config, capacity, base } = this.#model;
    const { step } = base.inputs.views;
    const { x } = base.views.workspace.input;
    const bytes = capacity.tokens * config.hiddenSize * 4;
    const nothing = device.allocate("nothing", bytes);
    const keep = (i: number) => {
      const sum = subView(this.#kept, i * bytes, bytes);
      return [launch(add, { width: config.hiddenSize }, { step, left: x, right: nothing, sum })];
    };
    const stage = this.#model.stage(stepKind({ tokens: capacity.tokens, rows: 0, entries: 0, routed: false }, false));
    const last = config.numLayers - 1;
    const below = Array.from({ length: last }, (_, i) => layer(stage, i, keep(i)));
    return [...stage.embed(), ...below.flat(), ...enter(stage, last), ...keep(last)];
  }
}
