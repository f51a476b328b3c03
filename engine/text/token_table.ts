// Tokens of a model by id and ids by token, over the bytes they were read in: a hash table of rows in place of a Map of strings.

import type { TextList } from "../../files/text_list.ts";
import { shown } from "./bpe_model.ts";
import { tokenizerInvalid } from "./fields.ts";

/** Tokens between two steps of what goes through all of them. */
export const TOKENS_A_STEP = 4096;

/** FNV-1a, so that the hash of a text goes on into that of a longer one. */
export const NO_BYTES_HASH = 0x811c9dc5 | 0;

export function hashOn(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193);
}

export function hashOf(bytes: Uint8Array, start: number, end: number, before = NO_BYTES_HASH): number {
  let hash = before;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
  return hash;
}

const encoder = new TextEncoder();
let scratch = new Uint8Array(1024);

export class TokenTable {
  readonly texts: TextList;
  /** One more than the highest id. */
  readonly size: number;
  /** Id of each text; undefined: its place in the list. */
  readonly #ids: Int32Array | undefined;
  /** 1 + row of each id, 0 where there is none; undefined as above. */
  readonly #rows: Int32Array | undefined;
  /** 1 + row, by hash. */
  readonly #slots: Int32Array;
  #longest = 0;
  #longestBytes = 0;

  private constructor(texts: TextList, ids: Int32Array | undefined) {
    this.texts = texts;
    this.#ids = ids;
    this.size = ids === undefined ? texts.length : 1 + ids.reduce((most, id) => Math.max(most, id), -1);
    this.#rows = ids && new Int32Array(this.size);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * texts.length + 2)));
  }

  /**
   * In steps. A text that comes twice stands for its later id.
   *
   * @throws MoloraError `tokenizer_invalid` where two texts have one id
   */
  static *of(texts: TextList, ids?: Int32Array): Generator<undefined, TokenTable> {
    const table = new TokenTable(texts, ids);
    for (let row = 0; row < texts.length; row += TOKENS_A_STEP) {
      table.#enter(row, Math.min(texts.length, row + TOKENS_A_STEP));
      yield;
    }
    return table;
  }

  /** UTF-16 units of the longest token. */
  get longest(): number {
    return this.#longest;
  }

  get longestBytes(): number {
    return this.#longestBytes;
  }

  #enter(first: number, behind: number): void {
    const { bytes, starts, ends } = this.texts;
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let row = first; row < behind; row++) {
      const start = starts[row];
      const end = ends[row];
      this.#longest = Math.max(this.#longest, unitsOf(bytes, start, end));
      this.#longestBytes = Math.max(this.#longestBytes, end - start);
      let slot = mixed(hashOf(bytes, start, end)) & mask;
      while (slots[slot] !== 0 && !isRow(this.texts, slots[slot] - 1, bytes, start, end)) slot = (slot + 1) & mask;
      if (this.#ids !== undefined) this.#giveId(row, slots[slot] - 1);
      slots[slot] = row + 1;
    }
  }

  /** `older`: the row of the same text before; −1: none. */
  #giveId(row: number, older: number): void {
    const [ids, rows, { texts }] = [this.#ids!, this.#rows!, this];
    if (older >= 0) rows[ids[older]] = 0;
    const owner = rows[ids[row]];
    if (owner !== 0) {
      const [one, other] = [texts.at(owner - 1), texts.at(row)].map(shown);
      throw tokenizerInvalid(`${one} and ${other} have one id, ${ids[row]}`);
    }
    rows[ids[row]] = row + 1;
  }

  idOf(text: string): number | undefined {
    if (text.length * 3 > scratch.length) scratch = new Uint8Array(text.length * 6);
    const { written } = encoder.encodeInto(text, scratch);
    const id = this.idOfBytes(scratch, 0, written);
    return id < 0 ? undefined : id;
  }

  /** −1: no token. `hash`: of these bytes, where it is known. */
  idOfBytes(bytes: Uint8Array, start: number, end: number, hash = hashOf(bytes, start, end)): number {
    const mask = this.#slots.length - 1;
    for (let slot = mixed(hash) & mask; ; slot = (slot + 1) & mask) {
      const row = this.#slots[slot] - 1;
      if (row < 0) return -1;
      if (isRow(this.texts, row, bytes, start, end)) return this.#ids === undefined ? row : this.#ids[row];
    }
  }

  /** The id of two stretches [start, end), [next, last) one behind the other; −1: no token. `hash`: of both together. */
  idOfJoined(bytes: Uint8Array, start: number, end: number, next: number, last: number, hash: number): number {
    const { texts } = this;
    const mask = this.#slots.length - 1;
    const split = end - start;
    for (let slot = mixed(hash) & mask; ; slot = (slot + 1) & mask) {
      const row = this.#slots[slot] - 1;
      if (row < 0) return -1;
      const from = texts.starts[row];
      if (texts.ends[row] - from !== split + last - next) continue;
      if (!sameBytes(texts.bytes, from, bytes, start, end)) continue;
      if (sameBytes(texts.bytes, from + split, bytes, next, last))
        return this.#ids === undefined ? row : this.#ids[row];
    }
  }

  /** Where the text of an id lies in `texts`; −1: there is no such token. */
  rowOf(id: number): number {
    if (!(id >= 0 && id < this.size)) return -1;
    return this.#rows === undefined ? id : this.#rows[id] - 1;
  }

  textOf(id: number): string | undefined {
    const row = this.rowOf(id);
    return row < 0 ? undefined : this.texts.at(row);
  }

  /** UTF-16 units of a token; 0 where there is none. */
  lengthOf(id: number): number {
    const row = this.rowOf(id);
    return row < 0 ? 0 : unitsOf(this.texts.bytes, this.texts.starts[row], this.texts.ends[row]);
  }

  equals(other: TokenTable): boolean {
    if (this.size !== other.size) return false;
    for (let id = 0; id < this.size; id++) {
      const [mine, theirs] = [this.rowOf(id), other.rowOf(id)];
      if (mine < 0 !== theirs < 0) return false;
      if (mine < 0) continue;
      const { bytes, starts, ends } = other.texts;
      if (!isRow(this.texts, mine, bytes, starts[theirs], ends[theirs])) return false;
    }
    return true;
  }
}

function unitsOf(bytes: Uint8Array, start: number, end: number): number {
  let units = 0;
  for (let at = start; at < end; at++) if ((bytes[at] & 0xc0) !== 0x80) units += bytes[at] >= 0xf0 ? 2 : 1;
  return units;
}

/** The low bits of FNV alone depend on little of the text. */
function mixed(hash: number): number {
  return hash ^ (hash >>> 15);
}

function isRow(texts: TextList, row: number, bytes: Uint8Array, start: number, end: number): boolean {
  const from = texts.starts[row];
  return texts.ends[row] - from === end - start && sameBytes(texts.bytes, from, bytes, start, end);
}

function sameBytes(a: Uint8Array, from: number, b: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (a[from + at - start] !== b[at]) return false;
  return true;
}
