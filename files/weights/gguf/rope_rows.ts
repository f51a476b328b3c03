// The two orders in which the rows of q and k are stored, and a tensor that reads one as the other.

import { MoloraError } from "../../../proto/errors.ts";
import { checkRows } from "../file_tensor.ts";
import type { StoredType } from "../stored/formats.ts";
import { rowCount, type StoredTensor } from "../tensor.ts";

/**
 * Hugging Face rotates row i of a head with row i + headDim/2; llama.cpp's Llama rotates rows 2i and 2i + 1, so its
 * converter stores q and k with the halves interleaved (`LlamaModel.permute`, convert_hf_to_gguf.py).
 * Stored row that holds Hugging Face row `row`; heads stay in place.
 */
export function interleavedRow(row: number, headDim: number): number {
  const inHead = row % headDim;
  const half = headDim / 2;
  return row - inHead + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
}

/** A q or k weight, or a bias of theirs, stored interleaved, in Hugging Face order. */
export function deinterleaved(stored: StoredTensor, headDim: number): StoredTensor {
  if (stored.shape.length !== 1) return new DeinterleavedTensor(stored, headDim);
  const column = new DeinterleavedTensor({ ...described(stored), shape: [stored.shape[0], 1] }, headDim);
  // A vector is one row; what moves are its elements.
  return { ...described(stored), readRows: () => column.readRows(0, stored.shape[0]) };
}

/** A vector's properties; as a column of n rows it is read whole. */
function described(stored: StoredTensor): StoredTensor {
  const { name, type, shape, bytes } = stored;
  const element = bytes / shape[0];
  const readRows = async (from: number, to: number) =>
    (await stored.readRows(0, 1)).subarray(from * element, to * element);
  return { name, type, shape, bytes, readRows };
}

/** Rows move whole, quantised or not. */
class DeinterleavedTensor implements StoredTensor {
  readonly name: string;
  readonly type: StoredType;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly #stored: StoredTensor;
  readonly #headDim: number;

  constructor(stored: StoredTensor, headDim: number) {
    if (headDim % 2 !== 0 || rowCount(stored.shape) % headDim !== 0) {
      throw new MoloraError(
        "tensor_shape",
        `tensor ${stored.name}: [${stored.shape.join(", ")}] is no heads of ${headDim}`,
        {
          remedy: "The file's attention metadata do not fit its tensors: convert it again.",
        },
      );
    }
    this.name = stored.name;
    this.type = stored.type;
    this.shape = stored.shape;
    this.bytes = stored.bytes;
    this.#stored = stored;
    this.#headDim = headDim;
  }

  /** Reads the whole heads that rows [from, to) touch, in one read. */
  async readRows(from: number, to: number): Promise<Uint8Array> {
    checkRows(this, from, to);
    const firstStored = Math.floor(from / this.#headDim) * this.#headDim;
    const stored = await this.#stored.readRows(firstStored, Math.ceil(to / this.#headDim) * this.#headDim);
    const rowBytes = this.bytes / rowCount(this.shape);
    const rows = new Uint8Array((to - from) * rowBytes);
    for (let row = from; row < to; row++) {
      const at = (interleavedRow(row, this.#headDim) - firstStored) * rowBytes;
      rows.set(stored.subarray(at, at + rowBytes), (row - from) * rowBytes);
    }
    return rows;
  }
}
