// Reads GGUF's little-endian scalars, strings and counts from the beginning of a file, one after another.
// It throws HeaderEnds where the bytes run out.

import { MoloraError } from "../../../proto/errors.ts";

/** The header goes on behind the bytes at hand. Never leaves the GGUF reader. */
export class HeaderEnds extends Error {}

/**
 * The strings in these ranges; undefined where one is not UTF-8, or begins within a character, as one of a pair that is
 * UTF-8 only together does.
 */
function decodedTogether(bytes: Uint8Array, ranges: readonly [start: number, end: number][]): string[] | undefined {
  const all = new Uint8Array(ranges.reduce((sum, [start, end]) => sum + end - start, 0));
  // UTF-16 units at the end of each string.
  const ends = new Uint32Array(ranges.length);
  let [to, units] = [0, 0];
  for (const [i, [start, end]] of ranges.entries()) {
    if (start < end && isContinuation(bytes[start])) return undefined;
    for (let at = start; at < end; at++) {
      const byte = bytes[at];
      all[to++] = byte;
      if (!isContinuation(byte)) units += byte >= 0xf0 ? 2 : 1;
    }
    ends[i] = units;
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(all);
    return ranges.map((_, i) => text.slice(i === 0 ? 0 : ends[i - 1], ends[i]));
  } catch {
    return undefined;
  }
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

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
    const count = this.u64();
    if (count > BigInt(limit)) {
      throw new MoloraError("header_too_large", `${this.#file}: ${count} ${what}, at most ${limit} are read`, {
        remedy: "This is not a GGUF file of a model, or it is damaged.",
      });
    }
    return Number(count);
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

  /** As many strings one after another. They are decoded together, which takes a fifth of the time. */
  strings(count: number, limit: number): string[] {
    const ranges: [start: number, end: number][] = [];
    for (let i = 0; i < count; i++) {
      const length = this.count("bytes in a string", limit);
      const at = this.#take(length);
      ranges.push([at, at + length]);
    }
    const texts = decodedTogether(this.#bytes, ranges);
    return texts ?? ranges.map(([from, to]) => this.#text.decode(this.#bytes.subarray(from, to)));
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
