// Runs a step: uploads its arrays, encodes its launches into one pass, submits once, and brings the results back.
// It knows nothing of text or of which step comes next.

import type { ModelConfig } from "../../files/families/config.ts";
import { RESULT_WORDS } from "../../shaders/sample.ts";
import type { StepShape } from "../../shaders/step.ts";
import type { Bank } from "../adapters/placement.ts";
import { subView } from "../gpu/buffers.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { encode } from "../gpu/program.ts";
import { ReadbackRing } from "../gpu/readback.ts";
import type { Forward } from "../model/forward.ts";
import type { Capacity, InputLayout } from "../model/inputs.ts";
import { stepKind } from "../model/step_kind.ts";
import type { Workspace } from "../model/workspace.ts";
import { countsTokens } from "../sampling/sampling.ts";
import type { Job } from "../scheduler/job.ts";
import type { Sequence } from "../scheduler/sequence.ts";
import type { StepPlan } from "../scheduler/step.ts";
import { biasRow, buildBatch, countTokens, type LogitRow, tokenBiases } from "./batch.ts";
import { type RowResult, readRows } from "./results.ts";

export interface RunnerParts {
  config: ModelConfig;
  capacity: Capacity;
  inputs: InputLayout;
  workspace: Workspace;
  forward: Forward;
  bank: Bank;
}

/** A step under way. */
export interface SubmittedStep {
  shape: StepShape;
  /** Launches encoded, and how long that took on the host, in milliseconds. */
  launches: number;
  encodeMs: number;
  /** One result a row of logits, in the order of the plan's slices. */
  results: Promise<RowResult[]>;
}

/** Steps that may be under way at once. */
export const STEPS_IN_FLIGHT = 3;

export class Runner {
  readonly #gpu: Gpu;
  readonly #parts: RunnerParts;
  readonly #ring: ReadbackRing;
  readonly #staging: ArrayBuffer;

  constructor(gpu: Gpu, parts: RunnerParts) {
    const { workspace, inputs } = parts;
    this.#gpu = gpu;
    this.#parts = parts;
    this.#ring = new ReadbackRing(gpu, workspace.results.size + workspace.trace.size, STEPS_IN_FLIGHT);
    this.#staging = new ArrayBuffer(inputs.bytes);
  }

  /** Encodes and submits a plan. Resolves once it is submitted; `results` once the device is done with it. */
  async submit(plan: StepPlan<Sequence<Job>>): Promise<SubmittedStep> {
    const { inputs, capacity, bank, forward } = this.#parts;
    bank.upload(plan.uploads);
    this.#beginSequences(plan);
    const place = (sequence: Sequence<Job>) => bank.place(sequence.routePlan);
    const batch = buildBatch(plan, inputs, capacity, place, this.#staging);
    const { shape, rows } = batch;
    const launches = await forward.program(stepKind(shape));

    const begun = performance.now();
    this.#gpu.queue.writeBuffer(inputs.views.step.buffer, 0, batch.words);
    this.#writeMasks(batch.masks);
    const encoder = this.#gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const count = encode(pass, launches, shape);
    pass.end();
    const readback = this.#ring.copy(encoder, this.#resultViews(shape));
    this.#gpu.queue.submit([encoder.finish()]);
    const encodeMs = performance.now() - begun;

    const results = readback.take().then((bytes) => this.#read(bytes, rows, shape));
    return { shape, launches: count, encodeMs, results };
  }

  destroy(): void {
    this.#ring.destroy();
  }

  #read(bytes: ArrayBuffer, rows: readonly LogitRow[], shape: StepShape): RowResult[] {
    const { config, capacity } = this.#parts;
    const traceAt = shape.rows * RESULT_WORDS * 4;
    const trace = shape.routed ? bytes.slice(traceAt) : undefined;
    return readRows(rows, bytes, trace, config.numLayers, capacity.entries);
  }

  #resultViews(shape: StepShape) {
    const { config, capacity, workspace } = this.#parts;
    const results = subView(workspace.results, 0, shape.rows * RESULT_WORDS * 4);
    if (!shape.routed) return [results];
    return [results, subView(workspace.trace, 0, shape.rows * config.numLayers * capacity.entries * 8)];
  }

  /** Counts of tokens and biases begin with a sequence's first slice, be it new or admitted again. */
  #beginSequences({ slices }: StepPlan<Sequence<Job>>): void {
    const { config, capacity, workspace } = this.#parts;
    const { buffer, offset } = workspace.counts;
    const write = (row: number, values: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>) =>
      this.#gpu.queue.writeBuffer(buffer, offset + row * config.vocabSize * 4, values);
    for (const { sequence, start } of slices) {
      if (start !== sequence.adopted) continue;
      const { sampling, biases } = sequence.request;
      if (countsTokens(sampling)) write(sequence.row, countTokens(sequence, config.vocabSize));
      if (biases !== undefined) {
        write(biasRow(sequence.row, capacity.sequences), tokenBiases(biases, config.vocabSize));
      }
    }
  }

  #writeMasks(masks: readonly Uint32Array<ArrayBuffer>[]): void {
    const { config, workspace } = this.#parts;
    const stride = Math.ceil(config.vocabSize / 32) * 4;
    for (const [slot, mask] of masks.entries()) {
      this.#gpu.queue.writeBuffer(workspace.masks.buffer, workspace.masks.offset + slot * stride, mask);
    }
  }
}
