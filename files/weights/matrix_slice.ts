// One matrix of a stack of them as a tensor of its own: an expert's of all experts'.

import { checkRows } from "./file_tensor.ts";
import type { StoredType } from "./stored/formats.ts";
import type { StoredTensor } from "./tensor.ts";

export class MatrixSlice implements StoredTensor {
  readonly name: string;
  readonly type: StoredType;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly #stack: StoredTensor;
  readonly #index: number;

  /** Matrix `index` of `stack`, [matrices, rows, columns]. */
  constructor(name: string, stack: StoredTensor, index: number) {
    this.name = name;
    this.type = stack.type;
    this.shape = stack.shape.slice(1);
    this.bytes = stack.bytes / stack.shape[0];
    this.#stack = stack;
    this.#index = index;
  }

  /** Reads the whole matrix and gives a part of it. */
  async readRows(from: number, to: number): Promise<Uint8Array> {
    checkRows(this, from, to);
    const bytes = await this.#stack.readRows(this.#index, this.#index + 1);
    const row = this.bytes / this.shape[0];
    return bytes.subarray(from * row, to * row);
  }
}
