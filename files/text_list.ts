// Many short texts as the UTF-8 they were read in: each becomes a string when it is asked for, so that a vocabulary costs its bytes
// and not an object a token.

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export class TextList {
  readonly length: number;
  readonly bytes: Uint8Array;
  /** Where each text begins, and where it ends, in `bytes`. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;

  /** Every text must be UTF-8. */
  constructor(bytes: Uint8Array, starts: Uint32Array, ends: Uint32Array) {
    this.length = starts.length;
    this.bytes = bytes;
    this.starts = starts;
    this.ends = ends;
  }

  /** Halves of a pair of surrogates become U+FFFD. */
  static of(texts: readonly string[]): TextList {
    const encoded = texts.map((text) => encoder.encode(text));
    const bytes = new Uint8Array(encoded.reduce((sum, { length }) => sum + length, 0));
    const starts = new Uint32Array(texts.length);
    const ends = new Uint32Array(texts.length);
    let at = 0;
    for (const [i, text] of encoded.entries()) {
      bytes.set(text, at);
      starts[i] = at;
      at += text.length;
      ends[i] = at;
    }
    return new TextList(bytes, starts, ends);
  }

  /** Undefined beyond the last one. */
  at(i: number): string | undefined {
    if (!(i >= 0 && i < this.length)) return undefined;
    return decoder.decode(this.bytes.subarray(this.starts[i], this.ends[i]));
  }

  *[Symbol.iterator](): Generator<string, void> {
    for (let i = 0; i < this.length; i++) yield this.at(i)!;
  }

  equals(other: TextList): boolean {
    if (this === other) return true;
    if (this.length !== other.length) return false;
    for (let i = 0; i < this.length; i++) {
      const [mine, theirs] = [this.starts[i], other.starts[i]];
      const length = this.ends[i] - mine;
      if (other.ends[i] - theirs !== length) return false;
      for (let at = 0; at < length; at++) if (this.bytes[mine + at] !== other.bytes[theirs + at]) return false;
    }
    return true;
  }
}

const encoder = new TextEncoder();
