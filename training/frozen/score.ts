// Log-probabilities of whole texts under a choice of adapters, and where a router chose, what it chose and believed.
// It knows nothing of what the figures are compared with.

import { subView } from "../../engine/gpu/buffers.ts";
import { encode } from "../../engine/gpu/program.ts";
import { ReadbackRing } from "../../engine/gpu/readback.ts";
import { embedLaunches, headLaunches } from "../../engine/model/ends.ts";
import { enterLayer, layerBody } from "../../engine/model/layer.ts";
import { fixedLaunches, routingLaunches, segmentLaunches } from "../../engine/model/routing.ts";
import type { Launches } from "../../engine/model/stage.ts";
import { stepKind } from "../../engine/model/step_kind.ts";
import type { RoutePlan } from "../../engine/scheduler/step.ts";
import type { Batch } from "../../engine/step/batch.ts";
import { RESULT_WORDS } from "../../shaders/sample.ts";
import { ENTRY_BYTES, NO_EXPERT, type StepShape, tableStride } from "../../shaders/step.ts";
import type { FrozenModel } from "./frozen_model.ts";
import { intoSteps, uploadTexts } from "./texts.ts";

/** How a text's tokens come to their adapters: a plan of serving, or the adapter given for every token. */
export type Choice =
  | { kind: "plan"; plan: RoutePlan }
  /** [tokens] per text: keys of adapters; undefined: the base. */
  | { kind: "given"; adapters: readonly (readonly (string | undefined)[])[] };

/** [layer][token]; a text's last token, which predicts nothing known, is left out. */
export interface TextRouting {
  /** Index of the first expert chosen. */
  experts: Uint8Array[];
  /** Entropy of what was believed, in nats. */
  entropies: Float32Array[];
}

export interface ScoredText {
  /** [t]: of ids[t + 1]; natural logarithm. */
  logprobs: Float32Array;
  /** Where a router chose. */
  routing: TextRouting | undefined;
}

type Mode = "plain" | "fixed" | "given" | "routed";

/** A stretch of launches, and the layer whose evidence is kept behind it. */
interface Section {
  launches: Launches;
  keep: number | undefined;
}

export class TextScorer {
  readonly #model: FrozenModel;
  readonly #programs = new Map<Mode, Promise<Section[]>>();
  readonly #evidence: GPUBuffer;
  readonly #ring: ReadbackRing;

  /** The model must have been opened for scoring. */
  constructor(model: FrozenModel) {
    const { capacity, config, parts } = model;
    this.#model = model;
    const { buffer } = model.buffers.storage(
      "evidence of all layers",
      config.numLayers * parts.workspace.evidence.size,
    );
    this.#evidence = buffer;
    const bytes = capacity.logitRows * RESULT_WORDS * 4 + parts.workspace.tables.whole.size + buffer.size;
    this.#ring = new ReadbackRing(model.gpu, bytes, 1);
  }

  /** One result a text, in their order. `onStep` is told of tokens as they are done. */
  async score(
    texts: readonly (readonly number[])[],
    choice: Choice,
    onStep: (tokens: number) => void = () => {},
  ): Promise<ScoredText[]> {
    const results: ScoredText[] = [];
    for (const step of intoSteps(texts, this.#model, (ids) => ids.length - 1)) {
      const given = choice.kind === "given" ? choice.adapters.slice(step.first, step.first + step.texts.length) : [];
      results.push(...(await this.#scoreStep(step.texts, choice, given)));
      onStep(step.tokens);
    }
    return results;
  }

  destroy(): void {
    this.#ring.destroy();
  }

  async #scoreStep(
    texts: readonly (readonly number[])[],
    choice: Choice,
    given: readonly (readonly (string | undefined)[])[],
  ): Promise<ScoredText[]> {
    const { gpu } = this.#model;
    const plan: RoutePlan = choice.kind === "plan" ? choice.plan : { kind: "none" };
    const batch = uploadTexts(
      this.#model,
      texts.map((ids) => ({ ids, plan })),
      true,
    );
    const mode = choice.kind === "given" ? "given" : MODES[plan.kind];
    const shape = mode === "given" ? this.#writeTable(batch, given) : batch.shape;
    const sections = await this.#program(mode);
    const encoder = gpu.device.createCommandEncoder();
    const { evidence } = this.#model.parts.workspace;
    for (const { launches, keep } of sections) {
      const pass = encoder.beginComputePass();
      encode(pass, launches, shape);
      pass.end();
      if (keep === undefined) continue;
      encoder.copyBufferToBuffer(evidence.buffer, evidence.offset, this.#evidence, keep * evidence.size, evidence.size);
    }
    const { results, tables } = this.#model.parts.workspace;
    const views = [subView(results, 0, shape.rows * RESULT_WORDS * 4)];
    if (mode === "routed") views.push(tables.whole, { buffer: this.#evidence, offset: 0, size: this.#evidence.size });
    const readback = this.#ring.copy(encoder, views);
    gpu.queue.submit([encoder.finish()]);
    const bytes = await readback.take();

    const found = new Float32Array(bytes, 0, shape.rows * RESULT_WORDS);
    let first = 0;
    return texts.map((ids) => {
      const count = ids.length - 1;
      const logprobs = Float32Array.from({ length: count }, (_, t) => found[(first + t) * RESULT_WORDS + 1]!);
      const behind = shape.rows * RESULT_WORDS * 4;
      const routing = mode === "routed" ? this.#readRouting(bytes, behind, first, count) : undefined;
      first += count;
      return { logprobs, routing };
    });
  }

  /** One entry for every token, the same in all layers. */
  #writeTable({ shape }: Batch, given: readonly (readonly (string | undefined)[])[]): StepShape {
    const { gpu, capacity, parts, pool, adapters } = this.#model;
    const words = new Uint32Array((shape.tokens * capacity.entries * ENTRY_BYTES) / 4);
    const floats = new Float32Array(words.buffer);
    let at = 0;
    for (const keys of given) {
      for (const key of keys.slice(0, -1)) {
        if (key !== undefined) {
          words[at] = pool.address(this.#model.firstPage(key));
          floats[at + 1] = 1;
        }
        if (capacity.entries > 1) words[at + ENTRY_BYTES / 4 + 2] = NO_EXPERT;
        at += (capacity.entries * ENTRY_BYTES) / 4;
      }
    }
    const { buffer, offset } = parts.workspace.tables.layers[0]!;
    gpu.queue.writeBuffer(buffer, offset, words);
    const { step } = this.#model.inputs.views;
    gpu.queue.writeBuffer(step.buffer, step.offset, Uint32Array.of(shape.tokens, shape.sequences, shape.rows, 1));
    return { ...shape, entries: 1, adapters: adapters.length, maxRank4: capacity.rank4 };
  }

  #readRouting(bytes: ArrayBuffer, at: number, first: number, count: number): TextRouting {
    const { capacity, config, parts } = this.#model;
    const stride = tableStride(capacity.tokens, capacity.entries) * (ENTRY_BYTES / 4);
    const table = new Uint32Array(bytes, at);
    const evidence = new Float32Array(bytes, at + parts.workspace.tables.whole.size);
    const width = capacity.experts + 1;
    const layers = Array.from({ length: config.numLayers }, (_, layer) => layer);
    const tokens = Array.from({ length: count }, (_, t) => first + t);
    const entry = (ENTRY_BYTES / 4) * capacity.entries;
    return {
      experts: layers.map((layer) => Uint8Array.from(tokens, (t) => table[layer * stride + t * entry + 2]!)),
      entropies: layers.map((layer) => {
        const base = (layer * parts.workspace.evidence.size) / 4;
        return Float32Array.from(tokens, (t) =>
          entropy(evidence.subarray(base + t * width, base + t * width + capacity.experts)),
        );
      }),
    };
  }

  #program(mode: Mode): Promise<Section[]> {
    let program = this.#programs.get(mode);
    if (program === undefined) {
      program = this.#build(mode);
      this.#programs.set(mode, program);
    }
    return program;
  }

  async #build(mode: Mode): Promise<Section[]> {
    const { capacity, config } = this.#model;
    const { tokens, logitRows, entries } = capacity;
    const sizes = { tokens, sequences: 1, rows: logitRows, maxRank4: 0, adapters: 0, gateWidth: 0 };
    const kind = stepKind({ ...sizes, entries: mode === "plain" ? 0 : entries, routed: mode === "routed" });
    const stage = this.#model.stage(kind);
    let launches = await embedLaunches(stage);
    if (mode === "fixed") launches.push(...(await fixedLaunches(stage)));
    if (mode === "given") launches.push(...(await segmentLaunches(stage, 0)));
    const sections: Section[] = [];
    for (let i = 0; i < config.numLayers; i++) {
      launches.push(await enterLayer(stage, i));
      if (mode === "routed") {
        launches.push(...(await routingLaunches(stage, i)));
        sections.push({ launches, keep: i });
        launches = [];
      }
      launches.push(...(await layerBody(stage, i)));
    }
    launches.push(...(await headLaunches(stage)));
    return [...sections, { launches, keep: undefined }];
  }
}

const MODES = { none: "plain", fixed: "fixed", router: "routed" } as const;

/** Of softmax(logits), which for a belief's logarithms is the belief itself. */
function entropy(logits: Float32Array): number {
  const top = logits.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  let sum = 0;
  let weighted = 0;
  for (const value of logits) {
    const share = Math.exp(value - top);
    sum += share;
    weighted += share * (value - top);
  }
  return Math.log(sum) - weighted / sum;
}
