// A cheap identity of a base model: enough to tell two bases apart, without reading them whole.
// The same weights in two containers are the same base.

import { sha256 } from "../digest.ts";
import type { ModelConfig } from "../families/config.ts";
import { rowCount, type StoredTensor, type TensorSource } from "../weights/tensor.ts";
import { expectedTensors, wantTensor } from "./expected.ts";

/** Bytes of each sampled row that are hashed: a matrix's row, or the start of a long one. */
const SAMPLE_BYTES = 4096;
/** Tensors whose rows are read side by side: those of all together would hold the event loop. */
const AT_ONCE = 16;

/**
 * SHA-256 (hex) over the config and, for each tensor the model uses in the order of `expectedTensors`: name, stored
 * type, shape, and the first 4,096 bytes of its first, middle and last row (Hugging Face row order). Tokenizer and
 * unused tensors do not count. It tells models, fine-tunes and quantisations apart; it is no integrity check: a change
 * of bytes that are not sampled goes unseen. Needs `crypto.subtle` (Node, or a page served over HTTPS or localhost).
 */
export async function modelHash(config: ModelConfig, source: TensorSource): Promise<string> {
  const tensors = expectedTensors(config).map(({ name }) => ({ name, tensor: wantTensor(source, name) }));
  const hashes: string[] = [];
  for (let i = 0; i < tensors.length; i += AT_ONCE) {
    const some = tensors.slice(i, i + AT_ONCE).map(({ name, tensor }) => hashTensor(name, tensor));
    hashes.push(...(await Promise.all(some)));
  }
  return sha256(text([canonicalConfig(config), ...hashes].join("\n")));
}

async function hashTensor(name: string, tensor: StoredTensor): Promise<string> {
  const last = rowCount(tensor.shape) - 1;
  const rows = [...new Set([0, last >> 1, last])].map((row) => tensor.readRows(row, row + 1));
  const samples = (await Promise.all(rows)).map((row) => row.subarray(0, SAMPLE_BYTES));
  return sha256(text(JSON.stringify([name, tensor.type, tensor.shape])), ...samples);
}

/** Fields in a fixed order and numbers as float32, which is all GGUF keeps of them. */
function canonicalConfig(config: ModelConfig): string {
  const sorted = (value: object) => Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  const rounded = (_: string, value: unknown) => (typeof value === "number" ? Math.fround(value) : value);
  return JSON.stringify(sorted({ ...config, ropeScaling: sorted(config.ropeScaling) }), rounded);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
