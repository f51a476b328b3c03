// Merges of a vocabulary that comes without: every pair of tokens that makes a token, in an order that its file implies.

import { sortedIndices } from "../../files/sorted_indices.ts";
import { emptyMerges, type Merges } from "./merges.ts";
import { hashOf, hashOn, NO_BYTES_HASH, type TokenTable } from "./token_table.ts";

/** Bytes hashed between two steps. */
const STEP = 1 << 17;

/** Pairs of ids in any order: in what numbers they are kept grows with them. */
class Pairs {
  count = 0;
  #words = new Int32Array(3 << 12);

  push(left: number, right: number, both: number): void {
    const at = 3 * this.count++;
    if (at + 3 > this.#words.length) {
      const larger = new Int32Array(2 * this.#words.length);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words[at] = left;
    this.#words[at + 1] = right;
    this.#words[at + 2] = both;
  }

  merges(order: Uint32Array): Merges {
    const merges = emptyMerges(order.length);
    for (const [rank, i] of order.entries()) {
      [merges.left[rank], merges.right[rank], merges.both[rank]] = this.at(i);
    }
    return merges;
  }

  at(i: number): [left: number, right: number, both: number] {
    return [this.#words[3 * i], this.#words[3 * i + 1], this.#words[3 * i + 2]];
  }
}

/**
 * In steps. `takesPart(id)` leaves tokens out, as parts and as wholes. `compare` orders merges (left, right, both); what it
 * calls equal stays in the order of ids, a merge with the shorter left part first.
 */
export function* mergesOfCuts(
  vocabulary: TokenTable,
  takesPart: (id: number) => boolean,
  compare: (a: readonly number[], b: readonly number[]) => number,
): Generator<undefined, Merges> {
  const { bytes, starts, ends } = vocabulary.texts;
  const pairs = new Pairs();
  let work = 0;
  for (let id = 0; id < vocabulary.size; id++) {
    const row = vocabulary.rowOf(id);
    if (row < 0 || !takesPart(id)) continue;
    const [start, end] = [starts[row], ends[row]];
    let prefix = NO_BYTES_HASH;
    for (let cut = start + 1; cut < end; cut++) {
      prefix = hashOn(prefix, bytes[cut - 1]);
      if ((bytes[cut] & 0xc0) === 0x80) continue; // within a character
      const left = vocabulary.idOfBytes(bytes, start, cut, prefix);
      if (left < 0 || !takesPart(left)) continue;
      work += end - cut;
      const right = vocabulary.idOfBytes(bytes, cut, end, hashOf(bytes, cut, end));
      if (right >= 0 && takesPart(right)) pairs.push(left, right, id);
    }
    work += end - start;
    if (work < STEP) continue;
    work = 0;
    yield;
  }
  return pairs.merges(yield* sortedIndices(pairs.count, (a, b) => compare(pairs.at(a), pairs.at(b))));
}
