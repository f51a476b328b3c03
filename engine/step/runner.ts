// Runs a step: writes its arrays, runs its program, and brings the results back.

import { RESULT_WORDS } from "../../shaders/sampling/sample.ts";
import type { StepShape } from "../../shaders/step.ts";
import type { Bank } from "../adapters/placement.ts";
import type { Vocabularies, VocabularyPrograms } from "../adapters/vocabularies.ts";
import type { Device, Program } from "../device/device.ts";
import { subView, type View } from "../device/memory.ts";
import type { Forward, Pieces } from "../model/forward.ts";
import type { ForwardViews } from "../model/forward_views.ts";
import type { InputLayout } from "../model/inputs.ts";
import { stepKind } from "../model/step_kind.ts";
import { countsTokens } from "../sampling/sampling.ts";
import type { Slice } from "../scheduler/sequence.ts";
import type { StepPlan } from "../scheduler/step.ts";
import { biasRow, buildBatch, countTokens, type LogitRow, tokenBiases } from "./batch.ts";
import { type ReadBack, type RowResult, readRows } from "./results.ts";

export interface RunnerParts {
  views: ForwardViews;
  inputs: InputLayout;
  forward: Forward;
  bank: Bank;
  vocabularies: Vocabularies;
}

/** A step that is queued on the device. */
export interface SubmittedStep {
  plan: StepPlan;
  /** Launches encoded, and how long that took on the host, in milliseconds. */
  launches: number;
  encodeMs: number;
  /** One result a row of logits, in the order of the plan's slices. */
  results: Promise<RowResult[]>;
}

function between(pieces: Pieces, { embeddings, baseHead, heads }: VocabularyPrograms): Program[] {
  const { embed, through, head, pick } = pieces;
  return [embed, ...embeddings, through, ...(baseHead ? [head] : []), ...heads, pick];
}

export class Runner {
  readonly #device: Device;
  readonly #parts: RunnerParts;
  readonly #staging: ArrayBuffer;

  constructor(device: Device, parts: RunnerParts) {
    this.#device = device;
    this.#parts = parts;
    this.#staging = new ArrayBuffer(parts.inputs.bytes);
  }

  /** Queues a plan on the device; an empty one gives undefined. Resolves once it is queued, its `results` when it ran. */
  async submit(plan: StepPlan): Promise<SubmittedStep | undefined> {
    if (plan.tokens === 0) return undefined;
    const { inputs, bank, forward, views, vocabularies } = this.#parts;
    bank.upload(plan.uploads);
    this.#beginSequences(plan);
    const place = ({ sequence, start }: Slice) => bank.place(sequence.routePlan, start);
    const batch = buildBatch(plan, inputs, views.capacity, place, this.#staging);
    const { shape, rows, words, masks } = batch;
    const kind = stepKind(shape, this.#device.wishes.segments);
    const changed = await vocabularies.programs(plan, batch, kind);
    const programs = changed ? between(await forward.pieces(kind), changed) : [await forward.program(kind)];

    const begun = performance.now();
    this.#device.write(inputs.whole, words);
    this.#writeMasks(masks);
    const bytes = this.#device.run(
      programs,
      shape,
      this.#readBack(shape).map(([, view]) => view),
    );
    const encodeMs = performance.now() - begun;
    const launches = programs.reduce((sum, program) => sum + program.count(shape), 0);
    return { plan, launches, encodeMs, results: bytes.then((b) => this.#read(b, rows, shape)) };
  }

  #read(bytes: ArrayBuffer, rows: readonly LogitRow[], shape: StepShape): RowResult[] {
    const { config, capacity } = this.#parts.views;
    const parts: ReadBack = { results: bytes };
    let at = 0;
    for (const [name, { size }] of this.#readBack(shape)) {
      parts[name] = bytes.slice(at, at + size);
      at += size;
    }
    return readRows(rows, parts, config, capacity.entries);
  }

  /** What is read of a step, one after another. */
  #readBack({ rows, routed }: StepShape): [name: keyof ReadBack, view: View][] {
    const { config, capacity, workspace } = this.#parts.views;
    const { results, trace, experts } = workspace;
    const cells = rows * config.numLayers * 8;
    const parts: [keyof ReadBack, View][] = [["results", subView(results, 0, rows * RESULT_WORDS * 4)]];
    if (routed) parts.push(["trace", subView(trace, 0, cells * capacity.entries)]);
    if (experts) parts.push(["baseExperts", subView(experts.trace, 0, cells * config.experts!.used)]);
    return parts;
  }

  /** Counts of tokens and biases begin with a sequence's first slice, be it new or admitted again. */
  #beginSequences({ slices }: StepPlan): void {
    const { capacity, workspace } = this.#parts.views;
    const { vocabulary } = capacity;
    const stride = vocabulary * 4;
    for (const { sequence, start } of slices) {
      if (start !== sequence.adopted) continue;
      const { slot, job } = sequence;
      if (countsTokens(job.sampling)) {
        this.#device.write(workspace.counts, countTokens(sequence, vocabulary), slot * stride);
      }
      if (job.biases !== undefined) {
        const at = biasRow(slot, capacity.sequences) * stride;
        this.#device.write(workspace.counts, tokenBiases(job.biases, vocabulary), at);
      }
    }
  }

  #writeMasks(masks: readonly Uint32Array<ArrayBuffer>[]): void {
    const { capacity, workspace } = this.#parts.views;
    const stride = Math.ceil(capacity.vocabulary / 32) * 4;
    for (const [slot, mask] of masks.entries()) this.#device.write(workspace.masks, mask, slot * stride);
  }
}
