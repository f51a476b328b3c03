// A batch of whole sequences as the training kernels read it, and the device buffers it is written to.
// It knows nothing of texts: ids and the weight of every token's loss are given.

import { alignUp, type Buffers, type View } from "../../engine/gpu/buffers.ts";
import type { Gpu } from "../../engine/gpu/gpu.ts";
import { MoloraError } from "../../proto/errors.ts";
import { SEQUENCE_BYTES, STEP_BYTES, type StepShape, TOKEN_BYTES } from "../../shaders/step.ts";
import { LOSS_ROW_BYTES } from "../../shaders/training/cross_entropy.ts";

/** One text. */
export interface TrainingSequence {
  ids: readonly number[];
  /** weights[t]: of the loss of ids[t + 1] given what stands before it; 0: not trained on. One fewer than ids. */
  weights: readonly number[];
}

/** The most a batch can have. */
export interface BatchCapacity {
  tokens: number;
  sequences: number;
  /** Rows of logits computed at a time, a multiple of 64. */
  chunkRows: number;
}

export interface BatchViews {
  step: View;
  /** A step's uniform with the tokens of the whole batch, of which a step may be a part. */
  whole: View;
  /** The uniform of a chunk of logits: its rows are its tokens. */
  chunkStep: View;
  tokens: View;
  sequences: View;
  rows: View;
}

/** Rows there is room for: every token, in whole chunks. */
export function rowCapacity({ tokens, chunkRows }: BatchCapacity): number {
  return alignUp(tokens, chunkRows);
}

export function allocateBatch(gpu: Gpu, buffers: Buffers, capacity: BatchCapacity): BatchViews {
  const views = {
    step: buffers.uniform("training step", STEP_BYTES),
    whole: buffers.uniform("training batch", STEP_BYTES),
    chunkStep: buffers.uniform("training chunk", STEP_BYTES),
    tokens: buffers.storage("training tokens", capacity.tokens * TOKEN_BYTES),
    sequences: buffers.storage("training sequences", capacity.sequences * SEQUENCE_BYTES),
    rows: buffers.storage("loss rows", rowCapacity(capacity) * LOSS_ROW_BYTES),
  };
  gpu.queue.writeBuffer(views.chunkStep.buffer, 0, Uint32Array.of(capacity.chunkRows, 0, 0, 0));
  return views;
}

/** Where each loss came from. */
export interface BatchRow {
  sequence: number;
  /** Position of the token that is predicted from; the target is the next one. */
  position: number;
  weight: number;
}

export interface WrittenBatch {
  shape: StepShape;
  rows: BatchRow[];
}

/** Writes `sequences` one behind another; `batchTokens`: of the batch they are a part of. Throws `data_invalid` where they exceed the capacity. */
export function writeBatch(
  gpu: Gpu,
  views: BatchViews,
  capacity: BatchCapacity,
  sequences: readonly TrainingSequence[],
  batchTokens?: number,
): WrittenBatch {
  const count = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  if (count === 0 || count > capacity.tokens || sequences.length > capacity.sequences) {
    throw new MoloraError(
      "data_invalid",
      `a batch of ${sequences.length} sequences with ${count} tokens; there is room for ${capacity.sequences} with ${capacity.tokens}`,
      { remedy: "Use a smaller batch or a shorter length." },
    );
  }
  const tokens = new Uint32Array(count * (TOKEN_BYTES / 4));
  const table = new Uint32Array(sequences.length * (SEQUENCE_BYTES / 4));
  const words: number[] = [];
  const rows: BatchRow[] = [];
  let first = 0;
  for (const [s, { ids, weights }] of sequences.entries()) {
    table.set([first, ids.length, 0, 0, s], s * (SEQUENCE_BYTES / 4));
    for (const [position, id] of ids.entries()) {
      const token = first + position;
      tokens.set([id, position, s], token * (TOKEN_BYTES / 4));
      const weight = weights[position] ?? 0;
      if (weight === 0 || position + 1 >= ids.length) continue;
      words.push(token, ids[position + 1]!, bitsOf(weight), 0);
      rows.push({ sequence: s, position, weight });
    }
    first += ids.length;
  }
  const padded = new Uint32Array((alignUp(rows.length, capacity.chunkRows) * LOSS_ROW_BYTES) / 4);
  padded.set(words);
  gpu.queue.writeBuffer(views.step.buffer, 0, Uint32Array.of(count, sequences.length, rows.length, 0));
  gpu.queue.writeBuffer(views.whole.buffer, 0, Uint32Array.of(batchTokens ?? count, 0, 0, 0));
  gpu.queue.writeBuffer(views.tokens.buffer, 0, tokens);
  gpu.queue.writeBuffer(views.sequences.buffer, 0, table);
  gpu.queue.writeBuffer(views.rows.buffer, 0, padded);
  return { shape: shapeOf(count, sequences.length, rows.length), rows };
}

/** The shape of a step that has no adapters of the serving path. */
export function shapeOf(tokens: number, sequences: number, rows: number): StepShape {
  return { tokens, sequences, rows, entries: 0, maxRank4: 0, adapters: 0, routed: false, gateWidth: 0 };
}

function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!;
}
