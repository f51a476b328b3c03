// Rendered rows as texts to train on, and the batches that a seed draws from them.

import type { TrainingSequence } from "./backward/batch.ts";
import type { RenderedRow } from "./data/render.ts";
import { Random } from "./random.ts";

/** A text and which of its tokens the loss is of. */
export type TrainingText = Readonly<Pick<RenderedRow, "counted">> & { readonly ids: readonly number[] };

/** The first `length` tokens of a row; undefined where none of them counts. */
export function trainingText({ ids, counted }: TrainingText, length: number): TrainingText | undefined {
  const text = { ids: ids.slice(0, length), counted: counted.slice(0, length) };
  return text.counted.includes(true) ? text : undefined;
}

/** Tokens that count. */
export function countedTokens(texts: readonly TrainingText[]): number {
  return texts.reduce((sum, { counted }) => sum + counted.filter((counts) => counts).length, 0);
}

/** Every counted token weighs the same: 1 over the number of them in the whole batch. */
export function weighted(texts: readonly TrainingText[]): TrainingSequence[] {
  const share = 1 / Math.max(1, countedTokens(texts));
  return texts.map(({ ids, counted }) => ({ ids, weights: counted.slice(1).map((counts) => (counts ? share : 0)) }));
}

/** Cuts a batch into pieces that the capacity holds, in order. A single text may not exceed it. */
export function cutBatch<T extends { ids: readonly number[] }>(
  texts: readonly T[],
  { tokens, sequences }: { tokens: number; sequences: number },
): T[][] {
  const cut: T[][] = [];
  let room = 0;
  for (const text of texts) {
    if (text.ids.length > room || cut.at(-1)!.length === sequences) {
      cut.push([]);
      room = tokens;
    }
    cut.at(-1)!.push(text);
    room -= text.ids.length;
  }
  return cut;
}

/**
 * Batch number `step`, of epochs that are each shuffled anew. It depends on the seed alone, so that a resumed training
 * goes on with the batches that it would have had. A batch may span two epochs.
 */
export function drawBatch<T>(items: readonly T[], size: number, seed: number, step: number): T[] {
  const orders = new Map<number, number[]>();
  return Array.from({ length: size }, (_, i) => {
    const at = step * size + i;
    const epoch = Math.floor(at / items.length);
    const order = orders.get(epoch) ?? shuffled(items.length, seed, epoch);
    orders.set(epoch, order);
    return items[order[at % items.length]];
  });
}

/** Fisher–Yates. */
function shuffled(count: number, seed: number, epoch: number): number[] {
  const random = new Random(seed, epoch, 0x5487);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const other = random.integer(0, i);
    [order[i], order[other]] = [order[other], order[i]];
  }
  return order;
}
