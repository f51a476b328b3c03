// The entropy of predictions and its gradient, on the host: logits' gradients of the cross entropy become those of it.

import { type Device, readView } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import type { BatchRow } from "./batch.ts";

/**
 * `logits` [rows, vocab] holds weight · (p − onehot(label)) of each row; it becomes weight · ∂H/∂logits, with
 * H = −Σ p·ln p and ∂H/∂zⱼ = −pⱼ·(ln pⱼ + H). Gives the rows' H, in nats.
 */
export async function toEntropy(
  device: Device,
  logits: View,
  rows: readonly Pick<BatchRow, "weight">[],
  labels: readonly number[],
  vocab: number,
): Promise<Float32Array> {
  const values = new Float32Array(await readView(device, logits));
  const entropies = new Float32Array(rows.length);
  for (const [r, { weight }] of rows.entries()) {
    const row = values.subarray(r * vocab, (r + 1) * vocab);
    entropies[r] = entropyGradient(row, weight, labels[r]);
  }
  device.write(logits, values);
  return entropies;
}

/** In place of one row. */
export function entropyGradient(row: Float32Array, weight: number, label: number): number {
  let entropy = 0;
  for (let j = 0; j < row.length; j++) {
    // Rounding may leave a little below zero.
    row[j] = Math.max(0, row[j] / weight + (j === label ? 1 : 0));
    if (row[j] > 0) entropy -= row[j] * Math.log(row[j]);
  }
  for (let j = 0; j < row.length; j++) row[j] = row[j] > 0 ? -weight * row[j] * (Math.log(row[j]) + entropy) : 0;
  return entropy;
}
