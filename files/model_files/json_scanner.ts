// Walks over JSON in UTF-8 without making values of it: members by name, strings as bytes, small numbers.

import { TextList } from "../text_list.ts";

/** The bytes are no JSON, or JSON that is left to JSON.parse. Never leaves the reader of tokenizer.json. */
export class Irregular extends Error {}

/** Bytes skipped between two steps. */
const STEP = 1 << 16;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class JsonScanner {
  /** Of the byte that comes next, white space aside. */
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#skipSpace();
  }

  isAt(character: string): boolean {
    return this.#bytes[this.at] === character.charCodeAt(0);
  }

  open(character: string): void {
    if (!this.isAt(character)) throw new Irregular();
    this.at++;
    this.#skipSpace();
  }

  /** Whether the object or list ends here; else what comes is the next of it, behind a comma where it is not the first. */
  closes(character: string, behindAnother: boolean): boolean {
    if (this.isAt(character)) {
      this.open(character);
      return true;
    }
    if (behindAnother) this.open(",");
    return false;
  }

  colon(): void {
    this.open(":");
  }

  /** Names of an object's members, one after another; whoever asks passes over each value before the next. */
  *members(): Generator<string, void> {
    this.open("{");
    for (let first = true; !this.closes("}", !first); first = false) {
      const texts = this.texts();
      texts.take();
      this.colon();
      yield texts.list().at(0)!;
    }
  }

  /** Passes over a value, in steps. */
  *skip(): Generator<undefined, void> {
    const bytes = this.#bytes;
    let depth = 0;
    let next = this.at + STEP;
    do {
      const byte = bytes[this.at];
      if (byte === undefined) throw new Irregular();
      if (byte === QUOTE) this.#skipString();
      else {
        if (byte === 0x7b || byte === 0x5b) depth++;
        else if (byte === 0x7d || byte === 0x5d) depth--;
        else if (depth === 0) this.#skipLiteral();
        else this.at++;
        if (byte === 0x7b || byte === 0x5b || byte === 0x7d || byte === 0x5d) this.at++;
      }
      if (this.at < next) continue;
      next = this.at + STEP;
      yield;
    } while (depth > 0);
    this.#skipSpace();
  }

  /** A number of at most nine digits and nothing else. */
  naturalNumber(): number {
    const start = this.at;
    let value = 0;
    for (let digit = this.#bytes[this.at] - 0x30; digit >= 0 && digit <= 9; digit = this.#bytes[this.at] - 0x30) {
      value = 10 * value + digit;
      this.at++;
    }
    const digits = this.at - start;
    const next = this.#bytes[this.at];
    const goesOn = next === 0x2e || next === 0x45 || next === 0x65;
    if (digits === 0 || digits > 9 || goesOn || (digits > 1 && this.#bytes[start] === 0x30)) throw new Irregular();
    this.#skipSpace();
    return value;
  }

  /** Collects the strings that are taken from here on. */
  texts(): ScannedTexts {
    return new ScannedTexts(this, this.#bytes);
  }

  /** Passes over white space. */
  #skipSpace(): void {
    for (let byte = this.#bytes[this.at]; ; byte = this.#bytes[++this.at]) {
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
    }
  }

  #skipString(): void {
    const bytes = this.#bytes;
    for (this.at++; bytes[this.at] !== QUOTE; this.at++) {
      if (bytes[this.at] === undefined) throw new Irregular();
      if (bytes[this.at] === BACKSLASH) this.at++;
    }
    this.at++;
  }

  /** true, false, null, a number. */
  #skipLiteral(): void {
    const start = this.at;
    for (let byte = this.#bytes[this.at]; byte !== undefined; byte = this.#bytes[++this.at]) {
      if (byte === 0x2c || byte === 0x7d || byte === 0x5d || byte <= 0x20) break;
    }
    if (this.at === start) throw new Irregular();
  }

  /** Behind a string. */
  goOn(at: number): void {
    this.at = at;
    this.#skipSpace();
  }
}

const ESCAPED: Readonly<Record<number, number>> = {
  34: 0x22,
  47: 0x2f,
  92: 0x5c,
  98: 0x08,
  102: 0x0c,
  110: 0x0a,
  114: 0x0d,
  116: 0x09,
};

/** Strings one behind the other, in the bytes they stand for. */
export class ScannedTexts {
  count = 0;
  readonly #scanner: JsonScanner;
  readonly #from: Uint8Array;
  #bytes = new Uint8Array(1 << 10);
  #length = 0;
  #ends = new Uint32Array(1 << 6);

  constructor(scanner: JsonScanner, from: Uint8Array) {
    this.#scanner = scanner;
    this.#from = from;
  }

  /** The string that comes next. */
  take(): void {
    const from = this.#from;
    if (!this.#scanner.isAt('"')) throw new Irregular();
    let at = this.#scanner.at + 1;
    for (let byte = from[at]; byte !== QUOTE; byte = from[at]) {
      if (byte === undefined || byte < 0x20) throw new Irregular();
      if (this.#length + 4 > this.#bytes.length) this.#grow();
      if (byte === BACKSLASH) at = this.#unescape(at + 1);
      else {
        this.#bytes[this.#length++] = byte;
        at++;
      }
    }
    if (this.count === this.#ends.length) {
      const more = new Uint32Array(2 * this.#ends.length);
      more.set(this.#ends);
      this.#ends = more;
    }
    this.#ends[this.count++] = this.#length;
    this.#scanner.goOn(at + 1);
  }

  /** @throws Irregular where they are not UTF-8 */
  list(): TextList {
    const bytes = this.#bytes.slice(0, this.#length);
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw new Irregular();
    }
    const ends = this.#ends.slice(0, this.count);
    const starts = new Uint32Array(this.count);
    starts.set(ends.subarray(0, -1), Math.min(1, this.count));
    return new TextList(bytes, starts, ends);
  }

  /** Behind a backslash; gives where to go on. */
  #unescape(at: number): number {
    const byte = this.#from[at];
    if (byte !== 0x75) {
      const stands = ESCAPED[byte];
      if (stands === undefined) throw new Irregular();
      this.#bytes[this.#length++] = stands;
      return at + 1;
    }
    const unit = this.#hex(at + 1);
    if (unit < 0xd800 || unit > 0xdfff) {
      this.#push(unit);
      return at + 5;
    }
    // Half of a pair alone is no text.
    const isPair = unit < 0xdc00 && this.#from[at + 5] === BACKSLASH && this.#from[at + 6] === 0x75;
    const low = isPair ? this.#hex(at + 7) : 0;
    if (low < 0xdc00 || low > 0xdfff) throw new Irregular();
    this.#push(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
    return at + 11;
  }

  #hex(at: number): number {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const digit = Number.parseInt(String.fromCharCode(this.#from[at + i] ?? 0), 16);
      if (Number.isNaN(digit)) throw new Irregular();
      value = 16 * value + digit;
    }
    return value;
  }

  #push(code: number): void {
    const bytes = this.#bytes;
    const tail = (shift: number) => 0x80 | ((code >> shift) & 0x3f);
    if (code < 0x80) bytes[this.#length++] = code;
    else if (code < 0x800) {
      bytes[this.#length++] = 0xc0 | (code >> 6);
      bytes[this.#length++] = tail(0);
    } else if (code < 0x10000) {
      bytes[this.#length++] = 0xe0 | (code >> 12);
      bytes[this.#length++] = tail(6);
      bytes[this.#length++] = tail(0);
    } else {
      bytes[this.#length++] = 0xf0 | (code >> 18);
      bytes[this.#length++] = tail(12);
      bytes[this.#length++] = tail(6);
      bytes[this.#length++] = tail(0);
    }
  }

  #grow(): void {
    const larger = new Uint8Array(2 * this.#bytes.length);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}
