// A batch of whole sequences as the training kernels read it, and the device buffers it is written to.
// The caller gives ids and the weight of every token's loss.

import type { Device } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import { firstTurn, type ShortTurns } from "../../engine/model/rotations.ts";
import { MoloraError } from "../../proto/errors.ts";
import { alignUp } from "../../shaders/alignment.ts";
import { SEQUENCE, STEP, type StepShape, TOKEN } from "../../shaders/step.ts";
import { wordBuffer } from "../../shaders/struct.ts";
import { LOSS_ROW } from "../../shaders/training/cross_entropy.ts";

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
  /** Which sequences are turned by which rows of rotations. */
  shortTurns?: ShortTurns | undefined;
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

export function allocateBatch(device: Device, capacity: BatchCapacity): BatchViews {
  const views = {
    step: device.allocate("training step", STEP.bytes, "uniform"),
    whole: device.allocate("training batch", STEP.bytes, "uniform"),
    chunkStep: device.allocate("training chunk", STEP.bytes, "uniform"),
    tokens: device.allocate("training tokens", capacity.tokens * TOKEN.bytes),
    sequences: device.allocate("training sequences", capacity.sequences * SEQUENCE.bytes),
    rows: device.allocate("loss rows", rowCapacity(capacity) * LOSS_ROW.bytes),
  };
  writeStep(device, views.chunkStep, { tokens: capacity.chunkRows });
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

/** Writes `sequences` one behind another; `batchTokens`: of the batch they are a part of. @throws MoloraError `data_invalid` where they exceed the capacity. */
export function writeBatch(
  device: Device,
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
  const tokens = wordBuffer(count * TOKEN.bytes);
  const table = wordBuffer(sequences.length * SEQUENCE.bytes);
  const losses = wordBuffer(alignUp(count, capacity.chunkRows) * LOSS_ROW.bytes);
  const rows: BatchRow[] = [];
  let first = 0;
  for (const [s, { ids, weights }] of sequences.entries()) {
    SEQUENCE.write(table, s * SEQUENCE.words, { first, count: ids.length, slot: s });
    const turns = firstTurn(capacity.shortTurns, ids.length);
    for (const [position, id] of ids.entries()) {
      const token = first + position;
      TOKEN.write(tokens, token * TOKEN.words, { id, position, sequence: s, turn: turns + position });
      const weight = weights[position] ?? 0;
      if (weight === 0 || position + 1 >= ids.length) continue;
      LOSS_ROW.write(losses, rows.length * LOSS_ROW.words, { token, label: ids[position + 1], weight });
      rows.push({ sequence: s, position, weight });
    }
    first += ids.length;
  }
  writeStep(device, views.step, { tokens: count, sequences: sequences.length, rows: rows.length });
  writeStep(device, views.whole, { tokens: batchTokens ?? count });
  device.write(views.tokens, tokens.words);
  device.write(views.sequences, table.words);
  // Rows that pad the last chunk have weight 0.
  device.write(views.rows, losses.words.subarray(0, alignUp(rows.length, capacity.chunkRows) * LOSS_ROW.words));
  return { shape: shapeOf(count, sequences.length, rows.length), rows };
}

/** The shape of a step that has no adapters of the serving path. */
export function shapeOf(tokens: number, sequences: number, rows: number): StepShape {
  return { tokens, sequences, rows, entries: 0, maxRank4: 0, adapters: 0, routed: false, gateWidth: 0 };
}

function writeStep(device: Device, view: View, counts: { tokens: number; sequences?: number; rows?: number }): void {
  const step = wordBuffer(STEP.bytes);
  STEP.write(step, 0, counts);
  device.write(view, step.words);
}
