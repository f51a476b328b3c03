// Ways to damage a file, drawn from a seed: bytes and numbers changed, parts cut out and doubled; JSON with other values in it.

import { placesIn, replaceAt } from "../../engine/text/malformed.ts";

/** Numbers from 0 to 1 by a seed (mulberry32). */
export class Draw {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

const EDGES = [0n, 1n, 2n, 31n, 255n, 2n ** 20n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** A copy with one to four damages, most of them in its first `head` bytes, where files describe themselves. */
export function damaged(whole: Uint8Array, draw: Draw, head = 4096): Uint8Array {
  let bytes = whole.slice();
  for (let left = 1 + draw.below(4); left > 0 && bytes.length > 0; left--) {
    const at = draw.below(draw.next() < 0.8 ? Math.min(head, bytes.length) : bytes.length);
    const kind = draw.below(6);
    if (kind === 0) bytes = bytes.slice(0, at);
    else if (kind === 1) {
      const again = bytes.subarray(at, at + draw.below(64));
      bytes = new Uint8Array(Buffer.concat([bytes.subarray(0, at), again, bytes.subarray(at)]));
    } else if (kind === 2) {
      bytes = new Uint8Array(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + draw.below(16))]));
    } else if (kind === 3) {
      const value = draw.of(EDGES);
      for (let i = 0; i < draw.of([4, 8]) && at + i < bytes.length; i++) {
        bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
      }
    } else bytes[at] = draw.below(256);
  }
  return bytes;
}

const VALUES: unknown[] = [
  ...[
    undefined,
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e300,
    2 ** 31,
    2 ** 53,
    "",
    "x",
    "q_proj",
    "(",
    ".*",
    "../x",
    "__proto__",
  ],
  ...[[], [0], ["x"], [["a", "b"]], {}, { type: "x" }, { "": 0 }, "a".repeat(10_000)],
];

/** A JSON text with one to three of its values replaced; now and then its bytes are damaged too. */
export function damagedJson(whole: unknown, draw: Draw): string {
  const root = structuredClone({ whole });
  const places = placesIn(root);
  for (let left = 1 + draw.below(3); left > 0; left--) {
    try {
      replaceAt(root, draw.of(places), structuredClone(draw.of(VALUES)));
    } catch {
      // an earlier change took the place away
    }
  }
  const text = JSON.stringify(root.whole) ?? "";
  return draw.next() < 0.2 ? Buffer.from(damaged(Buffer.from(text), draw)).toString() : text;
}
