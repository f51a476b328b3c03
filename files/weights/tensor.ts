// What a weight file offers: named tensors of some stored type, read row by row.
// It knows nothing of devices; safetensors and GGUF both present themselves this way.

/** Stored element types. Quantised ones are GGUF blocks of 32 elements along the last dimension. */
export type StoredType = "f32" | "f16" | "bf16" | "q8_0" | "q4_0" | "q4_1";

/** Bytes and elements of one block of each stored type (plain types: a block is one element). */
export const STORED: Record<StoredType, { bytes: number; elements: number }> = {
  f32: { bytes: 4, elements: 1 },
  f16: { bytes: 2, elements: 1 },
  bf16: { bytes: 2, elements: 1 },
  q8_0: { bytes: 34, elements: 32 },
  q4_0: { bytes: 18, elements: 32 },
  q4_1: { bytes: 20, elements: 32 },
};

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

/** A weight file (or a set of shards). Names are Hugging Face names ("model.layers.0.self_attn.q_proj.weight"). */
export interface TensorSource {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Tensors stored in a type that is not read, by name, with the type as the file calls it ("Q6_K", "I64"). */
  readonly unsupported?: ReadonlyMap<string, string>;
}

/** Rows of a tensor as `readRows` counts them. */
export function rowCount(shape: readonly number[]): number {
  return shape.length < 2 ? 1 : shape[0];
}
