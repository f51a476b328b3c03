// The merges of a BPE model by ids, in the order of their ranks, and the rank of a pair of ids.

import type { TextList } from "../../files/text_list.ts";
import { mergePair, shown } from "./bpe_model.ts";
import { tokenizerInvalid } from "./fields.ts";
import { hashOf, TOKENS_A_STEP, type TokenTable } from "./token_table.ts";

/** Of each merge the ids it joins, and the id they become. */
export interface Merges {
  left: Int32Array;
  right: Int32Array;
  both: Int32Array;
}

/**
 * From texts: of each merge the two tokens one after another (`pairs`), or both in one text with a space between, as older
 * files have it. In steps.
 *
 * @throws MoloraError `tokenizer_invalid`
 */
export function* mergesOf(vocabulary: TokenTable, texts: TextList, pairs: boolean): Generator<undefined, Merges> {
  const merges = emptyMerges(pairs ? texts.length >> 1 : texts.length);
  const { length } = merges.both;
  for (let i = 0; i < length; i += TOKENS_A_STEP) {
    const wrong = resolve({ vocabulary, texts, pairs, merges }, i, Math.min(length, i + TOKENS_A_STEP));
    if (wrong !== undefined) throw unresolved(vocabulary, texts, pairs, wrong);
    yield;
  }
  return merges;
}

interface Resolved {
  vocabulary: TokenTable;
  texts: TextList;
  pairs: boolean;
  merges: Merges;
}

/** Fills in [first, behind); gives the first merge that is none. */
function resolve({ vocabulary, texts, pairs, merges }: Resolved, first: number, behind: number): number | undefined {
  const { bytes, starts, ends } = texts;
  for (let i = first; i < behind; i++) {
    const row = pairs ? 2 * i : i;
    const start = starts[row];
    const end = pairs ? ends[row] : spaceIn(bytes, start, ends[row]);
    const next = pairs ? starts[row + 1] : end + 1;
    const last = pairs ? ends[row + 1] : ends[row];
    if (end <= start || last <= next) return i;
    const hash = hashOf(bytes, start, end);
    const left = vocabulary.idOfBytes(bytes, start, end, hash);
    const right = vocabulary.idOfBytes(bytes, next, last, hashOf(bytes, next, last));
    const both = vocabulary.idOfJoined(bytes, start, end, next, last, hashOf(bytes, next, last, hash));
    if (left < 0 || right < 0 || both < 0) return i;
    merges.left[i] = left;
    merges.right[i] = right;
    merges.both[i] = both;
  }
  return undefined;
}

/** What is wrong with a merge. */
function unresolved(vocabulary: TokenTable, texts: TextList, pairs: boolean, i: number) {
  const merge = pairs ? [texts.at(2 * i)!, texts.at(2 * i + 1)!] : texts.at(i)!;
  const [left, right] = mergePair(merge, i);
  const unknown = [left, right, left + right].find((text) => vocabulary.idOf(text) === undefined);
  return tokenizerInvalid(`merge ${i} needs ${shown(unknown)}, which is no token of the vocabulary`);
}

export function emptyMerges(count: number): Merges {
  return { left: new Int32Array(count), right: new Int32Array(count), both: new Int32Array(count) };
}

/** Behind the first byte, which may be a space; −1 where there is none. */
function spaceIn(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start + 1; at < end; at++) if (bytes[at] === 0x20) return at;
  return -1;
}

export function sameMerges(a: Merges, b: Merges): boolean {
  const same = (one: Int32Array, other: Int32Array) =>
    one.length === other.length && one.every((id, i) => id === other[i]);
  return a === b || (same(a.left, b.left) && same(a.right, b.right) && same(a.both, b.both));
}

/** Ranks by pair of ids. A Map would need a number of its own for each pair, beyond 31 bits. */
export class MergeRanks {
  readonly #merges: Merges;
  /** 1 + rank, by hash. */
  readonly #slots: Int32Array;

  private constructor(merges: Merges) {
    this.#merges = merges;
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * merges.both.length + 2)));
  }

  /** In steps. A merge that touches a withheld id is passed over; so is one told twice. */
  static *of(merges: Merges, withheld: ReadonlySet<number>): Generator<undefined, MergeRanks> {
    const ranks = new MergeRanks(merges);
    const { length } = merges.both;
    for (let rank = 0; rank < length; rank += 2 * TOKENS_A_STEP) {
      ranks.#enter(rank, Math.min(length, rank + 2 * TOKENS_A_STEP), withheld);
      yield;
    }
    return ranks;
  }

  #enter(first: number, behind: number, withheld: ReadonlySet<number>): void {
    const { left, right, both } = this.#merges;
    const slots = this.#slots;
    for (let rank = first; rank < behind; rank++) {
      if (withheld.has(left[rank]) || withheld.has(right[rank]) || withheld.has(both[rank])) continue;
      const slot = this.#slotOf(left[rank], right[rank]);
      if (slots[slot] === 0) slots[slot] = rank + 1;
    }
  }

  /** −1: the two have no merge. Ids below 0 have none. */
  rankOf(left: number, right: number): number {
    return this.#slots[this.#slotOf(left, right)] - 1;
  }

  /** The id that the two of this rank become. */
  merged(rank: number): number {
    return this.#merges.both[rank];
  }

  /** Where the pair is, or would be. */
  #slotOf(left: number, right: number): number {
    const slots = this.#slots;
    const { left: lefts, right: rights } = this.#merges;
    const mask = slots.length - 1;
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
    let slot = (hash ^ (hash >>> 15)) & mask;
    while (slots[slot] !== 0 && (lefts[slots[slot] - 1] !== left || rights[slots[slot] - 1] !== right)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}
