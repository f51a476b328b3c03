// Reads GGUF's little-endian scalars, strings and counts from the beginning of a file, one after another.
// It throws HeaderEnds where the bytes run out.

import { MoloraError } from "../../../proto/errors.ts";
import { TextList } from "../../text_list.ts";

/** The header goes on behind the bytes at hand. Never leaves the GGUF reader. */
export class HeaderEnds extends Error {}

/** Strings between two steps. */
const STEP = 1 << 14;

export class GgufCursor {
  /** Bytes read so far. */
  offset = 0;
  readonly #file: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  // A token may be a byte order mark, which decoders drop by default.
  readonly #text = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(file: string, bytes: Uint8Array) {
    this.#file = file;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8 = (): number => this.#view.getUint8(this.#take(1));
  i8 = (): number => this.#view.getInt8(this.#take(1));
  u16 = (): number => this.#view.getUint16(this.#take(2), true);
  i16 = (): number => this.#view.getInt16(this.#take(2), true);
  u32 = (): number => this.#view.getUint32(this.#take(4), true);
  i32 = (): number => this.#view.getInt32(this.#take(4), true);
  f32 = (): number => this.#view.getFloat32(this.#take(4), true);
  u64 = (): bigint => this.#view.getBigUint64(this.#take(8), true);
  i64 = (): bigint => this.#view.getBigInt64(this.#take(8), true);
  f64 = (): number => this.#view.getFloat64(this.#take(8), true);

  bool(): boolean {
    const byte = this.u8();
    if (byte > 1) throw this.invalid(`a boolean is ${byte}`);
    return byte === 1;
  }

  /** A 64-bit count of `what`, refused above `limit`. */
  count(what: string, limit: number): number {
    const at = this.#take(8);
    const low = this.#view.getUint32(at, true);
    if (low > limit || this.#view.getUint32(at + 4, true) !== 0) {
      const count = this.#view.getBigUint64(at, true);
      throw new MoloraError("header_too_large", `${this.#file}: ${count} ${what}, at most ${limit} are read`, {
        remedy: "This is not a GGUF file of a model, or it is damaged.",
      });
    }
    return low;
  }

  /** A 64-bit size of `what` that a number can hold. */
  size(what: string): number {
    const size = this.u64();
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw this.invalid(`${what} is ${size}`);
    return Number(size);
  }

  string(limit: number): string {
    const length = this.count("bytes in a string", limit);
    const start = this.#take(length);
    return this.#text.decode(this.#bytes.subarray(start, start + length));
  }

  /** As many strings one after another, in steps. What is no UTF-8 becomes U+FFFD, as in `string`. */
  *strings(count: number, limit: number): Generator<undefined, TextList> {
    if (8 * count > this.#bytes.length - this.offset) throw new HeaderEnds();
    const starts = new Uint32Array(count);
    const ends = new Uint32Array(count);
    const from = this.offset;
    for (let first = 0; first < count; first += STEP) {
      this.#passStrings(starts, ends, first, limit);
      yield;
    }
    // Not by slice: that of a Buffer shares its memory.
    const bytes = new Uint8Array(this.#bytes.subarray(from, this.offset));
    for (let i = 0; i < count; i++) {
      starts[i] -= from;
      ends[i] -= from;
    }
    // With zeros for their lengths all are UTF-8 together only where each is.
    for (let i = 0; i < count; i++) for (let at = starts[i] - 8; at < starts[i]; at++) bytes[at] = 0;
    if (isUtf8(bytes)) return new TextList(bytes, starts, ends);
    return TextList.of(Array.from(starts, (start, i) => this.#text.decode(bytes.subarray(start, ends[i]))));
  }

  #passStrings(starts: Uint32Array, ends: Uint32Array, first: number, limit: number): void {
    const behind = Math.min(starts.length, first + STEP);
    for (let i = first; i < behind; i++) {
      const length = this.count("bytes in a string", limit);
      starts[i] = this.#take(length);
      ends[i] = this.offset;
    }
  }

  invalid(reason: string): MoloraError {
    return new MoloraError("header_invalid", `${this.#file}: ${reason}`, {
      remedy: "Give a GGUF file of version 3; fetch or convert it again if it is one.",
    });
  }

  /** Moves on by `length` bytes; the offset before. */
  #take(length: number): number {
    const start = this.offset;
    if (start + length > this.#bytes.length) throw new HeaderEnds();
    this.offset = start + length;
    return start;
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
