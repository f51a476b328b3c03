// A matrix that is made of packed bytes, a few rows at a time: the file is read once for all of them.

import { checkRows } from "../file_tensor.ts";
import { STORED, type StoredType } from "../stored/formats.ts";
import type { StoredTensor } from "../tensor.ts";

/** Writes rows [from, to) as blocks of the matrix's type to `out`. */
export type WriteRows = (from: number, to: number, out: Uint8Array) => void;

export class PackedMatrix implements StoredTensor {
  readonly name: string;
  readonly type: StoredType;
  readonly shape: readonly [rows: number, cols: number];
  readonly bytes: number;
  readonly #open: () => Promise<WriteRows>;
  #opened: Promise<WriteRows> | undefined;

  /** `open` reads what rows are made of. It is kept until the last row is read. */
  constructor(
    name: string,
    type: StoredType,
    shape: readonly [rows: number, cols: number],
    open: () => Promise<WriteRows>,
  ) {
    this.name = name;
    this.type = type;
    this.shape = shape;
    this.bytes = (shape[0] * shape[1] * STORED[type].bytes) / STORED[type].elements;
    this.#open = open;
  }

  async readRows(from: number, to: number): Promise<Uint8Array> {
    checkRows(this, from, to);
    this.#opened ??= this.#open();
    const write = await this.#opened;
    const out = new Uint8Array((this.bytes / this.shape[0]) * (to - from));
    write(from, to, out);
    if (to === this.shape[0]) this.#opened = undefined;
    return out;
  }
}
