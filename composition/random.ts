// Random numbers from a seed and numbers that say what they are for: the same on every machine, in any order of use.

export class Random {
  #state: number;

  /** Every combination of `keys` has a stream of its own. */
  constructor(...keys: readonly number[]) {
    this.#state = 0x9e3779b9;
    for (const key of keys) this.#state = mix((this.#state ^ key) >>> 0);
  }

  /** In [0, 1). mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    return mix(this.#state) / 2 ** 32;
  }

  /** A whole number in [least, most]. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length - 1)];
  }
}

function mix(value: number): number {
  let z = Math.imul(value ^ (value >>> 15), value | 1);
  z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
  return (z ^ (z >>> 14)) >>> 0;
}
