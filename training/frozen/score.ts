// Log-probabilities of whole texts under a choice of adapters, and where a router chose, what it chose and believed.

import type { Program } from "../../engine/device/device.ts";
import { subView } from "../../engine/device/memory.ts";
import { forward } from "../../engine/model/forward.ts";
import { stepKind } from "../../engine/model/step_kind.ts";
import type { RoutePlan } from "../../engine/scheduler/sequence.ts";
import { type Batch, writeEntries } from "../../engine/step/batch.ts";
import { RESULT_WORDS } from "../../shaders/sampling/sample.ts";
import { ENTRY, STEP, type StepShape, tableStride } from "../../shaders/step.ts";
import { wordBuffer } from "../../shaders/struct.ts";
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

export class TextScorer {
  readonly #model: FrozenModel;
  readonly #programs = new Map<Mode, Promise<Program>>();

  /** The model must have been opened for scoring. */
  constructor(model: FrozenModel) {
    this.#model = model;
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

  async #scoreStep(
    texts: readonly (readonly number[])[],
    choice: Choice,
    given: readonly (readonly (string | undefined)[])[],
  ): Promise<ScoredText[]> {
    const { device, base } = this.#model;
    const plan: RoutePlan = choice.kind === "plan" ? choice.plan : { kind: "none" };
    const batch = uploadTexts(
      this.#model,
      texts.map((ids) => ({ ids, plan })),
      true,
    );
    const mode = choice.kind === "given" ? "given" : MODES[plan.kind];
    const shape = mode === "given" ? this.#writeTable(batch, given) : batch.shape;
    const { results, tables, evidence } = base.views.workspace;
    const views = [subView(results, 0, shape.rows * RESULT_WORDS * 4)];
    if (mode === "routed") views.push(tables.whole, evidence.whole);
    const bytes = await device.run([await this.#program(mode)], shape, views);

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
    const { device, base, capacity, adapters } = this.#model;
    const table = wordBuffer(shape.tokens * capacity.entries * ENTRY.bytes);
    let token = 0;
    for (const keys of given) {
      for (const key of keys.slice(0, -1)) {
        const address = key === undefined ? 0 : base.pool.address(this.#model.firstPage(key));
        const entry = { address, weight: key === undefined ? 0 : 1 };
        writeEntries(table, token++ * capacity.entries * ENTRY.words, { entries: [entry] }, capacity.entries);
      }
    }
    device.write(base.views.workspace.tables.layers[0], table.words);
    const step = wordBuffer(STEP.bytes);
    STEP.write(step, 0, { ...shape, entries: 1 });
    device.write(base.inputs.views.step, step.words);
    return { ...shape, entries: 1, adapters: adapters.length, maxRank4: capacity.rank4 };
  }

  #readRouting(bytes: ArrayBuffer, at: number, first: number, count: number): TextRouting {
    const { capacity, config, base } = this.#model;
    const { workspace } = base.views;
    const stride = tableStride(capacity.tokens, capacity.entries) * ENTRY.words;
    const table = new Uint32Array(bytes, at);
    const evidence = new Float32Array(bytes, at + workspace.tables.whole.size);
    const width = capacity.experts + 1;
    const layers = Array.from({ length: config.numLayers }, (_, layer) => layer);
    const tokens = Array.from({ length: count }, (_, t) => first + t);
    const entry = ENTRY.words * capacity.entries;
    return {
      experts: layers.map((layer) =>
        Uint8Array.from(tokens, (t) => table[layer * stride + t * entry + ENTRY.at.expert]),
      ),
      entropies: layers.map((layer) => {
        const base = (layer * workspace.evidence.layers[layer].size) / 4;
        return Float32Array.from(tokens, (t) =>
          entropy(evidence.subarray(base + t * width, base + t * width + capacity.experts)),
        );
      }),
    };
  }

  #program(mode: Mode): Promise<Program> {
    let program = this.#programs.get(mode);
    if (program === undefined) {
      const { device, capacity } = this.#model;
      const { tokens, logitRows, entries } = capacity;
      const shape = { tokens, rows: logitRows, entries: mode === "plain" ? 0 : entries, routed: mode === "routed" };
      const stage = this.#model.stage(stepKind(shape, device.wishes.tiles));
      // A given table is not chosen anew, but it is sorted as one that was.
      program = device.prepare(forward(stage, mode === "given" ? stage.segment(0) : undefined));
      this.#programs.set(mode, program);
    }
    return program;
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
