// A cheap identity of a base model: enough to tell two bases apart, without reading them whole.
// It knows nothing of files; the same weights in two containers are the same base.

import type { ModelConfig } from "../model/config.ts";
import { expectedTensors, wantTensor } from "./expected.ts";
import { rowCount, type StoredTensor, type TensorSource } from "./tensor.ts";

/** Bytes of each sampled row that are hashed: a router's or an embedding's row, or the start of a long one. */
const SAMPLE_BYTES = 4096;

/**
 * SHA-256 (hex) over the config and, for each tensor the model uses in the order of `expectedTensors`: name, stored
 * type, shape, and the first 4,096 bytes of its first, middle and last row (Hugging Face row order). Tokenizer and
 * unused tensors do not count. It tells models, fine-tunes and quantisations apart; it is no integrity check: a change
 * of bytes that are not sampled goes unseen. Needs `crypto.subtle` (Node, or a page served over HTTPS or localhost).
 */
export async function modelHash(config: ModelConfig, source: TensorSource): Promise<string> {
  const parts = [await sha256([new TextEncoder().encode(canonicalConfig(config))])];
  for (const { name } of expectedTensors(config)) parts.push(await hashTensor(wantTensor(source, name)));
  return hex(await sha256(parts));
}

async function hashTensor(tensor: StoredTensor): Promise<Uint8Array> {
  const facts = new TextEncoder().encode(JSON.stringify([tensor.name, tensor.type, tensor.shape]));
  const last = rowCount(tensor.shape) - 1;
  const parts: Uint8Array[] = [facts];
  for (const row of new Set([0, last >> 1, last])) {
    parts.push((await tensor.readRows(row, row + 1)).subarray(0, SAMPLE_BYTES));
  }
  return sha256(parts);
}

/** Fields in a fixed order and numbers as float32, which is all GGUF keeps of them. */
function canonicalConfig(config: ModelConfig): string {
  const sorted = (value: object) => Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  const rounded = (_: string, value: unknown) => (typeof value === "number" ? Math.fround(value) : value);
  return JSON.stringify(sorted({ ...config, ropeScaling: sorted(config.ropeScaling) }), rounded);
}

async function sha256(parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", joined));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
