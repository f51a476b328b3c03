// What a weight file offers: named tensors of some stored type, read row by row.
// Safetensors and GGUF both present themselves this way.

import type { StoredType } from "./stored/formats.ts";

/** One tensor of a weight file. `shape` is row-major, outermost first, as PyTorch prints it. */
export interface StoredTensor {
  readonly name: string;
  readonly type: StoredType;
  readonly shape: readonly number[];
  /** Bytes in all. */
  readonly bytes: number;
  /** Stored bytes of rows [from, to) of a tensor seen as [shape[0], rest]; a vector is one row. */
  readRows(from: number, to: number): Promise<Uint8Array>;
}

/** A tensor of a type that holds no weights by itself, such as the packed codes of a quantised matrix. */
export interface RawTensor {
  readonly name: string;
  /** As safetensors call it: "I32", "U8". */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** Bytes [from, to). */
  read(from: number, to: number): Promise<Uint8Array>;
}

/** A weight file (or a set of shards). Names are Hugging Face names ("model.layers.0.self_attn.q_proj.weight"). */
export interface TensorSource {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Tensors stored in a type that is not read, by name, with the type as the file calls it ("IQ2_XS", "I64"). */
  readonly unsupported?: ReadonlyMap<string, string>;
  /** Of those, what safetensors have: bytes for who knows what they mean (files/weights/packed/). */
  readonly raw?: ReadonlyMap<string, RawTensor>;
}

/** Rows of a tensor as `readRows` counts them. */
export function rowCount(shape: readonly number[]): number {
  return shape.length < 2 ? 1 : shape[0];
}
