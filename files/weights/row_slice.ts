// Rows of a tensor as a tensor of their own: one module of a fused matrix.

import { checkRows } from "./file_tensor.ts";
import type { StoredType } from "./stored/formats.ts";
import { rowCount, type StoredTensor } from "./tensor.ts";

export class RowSlice implements StoredTensor {
  readonly name: string;
  readonly type: StoredType;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly #whole: StoredTensor;
  readonly #first: number;

  /** Rows [first, first + rows) of `whole`, a matrix that has them. */
  constructor(name: string, whole: StoredTensor, first: number, rows: number) {
    this.name = name;
    this.type = whole.type;
    this.shape = [rows, ...whole.shape.slice(1)];
    this.bytes = (whole.bytes / rowCount(whole.shape)) * rows;
    this.#whole = whole;
    this.#first = first;
  }

  async readRows(from: number, to: number): Promise<Uint8Array> {
    checkRows(this, from, to);
    return this.#whole.readRows(this.#first + from, this.#first + to);
  }
}
