// A tensor that lies in one stretch of a byte source, rows one after another.

import { MoloraError } from "../../proto/errors.ts";
import type { ByteSource } from "../source.ts";
import type { StoredType } from "./stored/formats.ts";
import { rowCount, type StoredTensor } from "./tensor.ts";

export class FileTensor implements StoredTensor {
  readonly name: string;
  readonly type: StoredType;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly #source: ByteSource;
  readonly #offset: number;

  /** `offset` counts from the start of `source`; `bytes` must agree with `shape` and `type`. */
  constructor(
    source: ByteSource,
    place: { name: string; type: StoredType; shape: readonly number[]; offset: number; bytes: number },
  ) {
    this.name = place.name;
    this.type = place.type;
    this.shape = place.shape;
    this.bytes = place.bytes;
    this.#source = source;
    this.#offset = place.offset;
  }

  async readRows(from: number, to: number): Promise<Uint8Array> {
    checkRows(this, from, to);
    if (from === to) return new Uint8Array(0);
    const rowBytes = this.bytes / rowCount(this.shape);
    return this.#source.read(this.#offset + from * rowBytes, (to - from) * rowBytes);
  }
}

/** Refuses rows a tensor does not have. */
export function checkRows(tensor: StoredTensor, from: number, to: number): void {
  if (from < 0 || from > to || to > rowCount(tensor.shape)) {
    throw new MoloraError(
      "tensor_out_of_range",
      `tensor ${tensor.name}: rows ${from}..${to} asked for, it has ${rowCount(tensor.shape)}`,
    );
  }
}
