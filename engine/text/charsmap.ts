// SentencePiece's table of characters that become others (nmt_nfkc and its kin): a trie over UTF-8 with the texts it leads to.

import { tokenizerInvalid } from "./fields.ts";

const LEAF = 1 << 8;
const VALUE = 0x7fffffff;
const LABEL = (1 << 31) | 0xff;

/** Where a unit's children are, from the unit's own place (Darts' double array). */
const childrenOf = (unit: number) => (unit >>> 10) << ((unit & (1 << 9)) >>> 6);

export class Charsmap {
  readonly #trie: Uint32Array;
  /** The texts, each ended by a zero. */
  readonly #texts: Uint8Array;

  /** `bytes`: how long the trie is, the trie, the texts. @throws MoloraError `tokenizer_invalid` */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = bytes.length < 4 ? -1 : view.getUint32(0, true);
    if (length <= 0 || length % 4 !== 0 || 4 + length > bytes.length) {
      throw tokenizerInvalid("precompiled_charsmap is cut short");
    }
    this.#trie = Uint32Array.from({ length: length / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#texts = bytes.subarray(4 + length);
  }

  /** At each place the longest beginning that the table has is replaced, as SentencePiece does it. */
  normalize(text: string): string {
    const bytes = new TextEncoder().encode(text);
    const pieces: Uint8Array[] = [];
    let kept = 0;
    for (let at = 0; at < bytes.length; ) {
      const found = this.#find(bytes, at, false);
      if (found === undefined) {
        at += widthOf(bytes[at]!);
        continue;
      }
      pieces.push(bytes.subarray(kept, at), found.text);
      at += found.length;
      kept = at;
    }
    if (pieces.length === 0) return text;
    pieces.push(bytes.subarray(kept));
    const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let end = 0;
    for (const piece of pieces) {
      joined.set(piece, end);
      end += piece.length;
    }
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(joined);
  }

  /**
   * What Rust `tokenizers` makes of the same table: a grapheme of up to five bytes is replaced whole where the table has a
   * beginning of it, else character by character.
   */
  normalizeGraphemes(text: string): string {
    const replaced = (part: string) => {
      const bytes = new TextEncoder().encode(part);
      const found = this.#find(bytes, 0, true);
      return found && new TextDecoder("utf-8", { ignoreBOM: true }).decode(found.text);
    };
    let normal = "";
    for (const { segment } of GRAPHEMES.segment(text)) {
      const whole = utf8Length(segment) <= LONGEST_GRAPHEME ? replaced(segment) : undefined;
      normal += whole ?? Array.from(segment, (character) => replaced(character) ?? character).join("");
    }
    return normal;
  }

  /** The longest beginning that the table has, or the shortest. */
  #find(bytes: Uint8Array, from: number, shortest: boolean): { length: number; text: Uint8Array } | undefined {
    const trie = this.#trie;
    let found: { length: number; text: Uint8Array } | undefined;
    let node = childrenOf(trie[0]!);
    for (let at = from; at < bytes.length; at++) {
      node ^= bytes[at]!;
      const unit = trie[node];
      if (unit === undefined || (unit & LABEL) !== bytes[at]) break;
      node ^= childrenOf(unit);
      const value = trie[node];
      if ((unit & LEAF) !== 0 && value !== undefined) {
        found = { length: at + 1 - from, text: this.#textAt(value & VALUE) };
        if (shortest) break;
      }
    }
    return found;
  }

  #textAt(offset: number): Uint8Array {
    const end = this.#texts.indexOf(0, offset);
    return this.#texts.subarray(offset, end === -1 ? this.#texts.length : end);
  }
}

const GRAPHEMES = new Intl.Segmenter("en", { granularity: "grapheme" });
/** Bytes. */
const LONGEST_GRAPHEME = 5;

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Bytes of a character, by its first. */
function widthOf(first: number): number {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
