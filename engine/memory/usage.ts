// How much each generation was used, and so which gives way first. Device pages and host memory both ask it.
// Time is logical: a count of uses.

/** Which generation gives way: the one whose last use is longest ago, or the least popular of late. */
export type Eviction = "lru" | "popular";

/** Uses after which an earlier one counts half. Long enough to see a popularity, short enough to forget one. */
const HALF_LIFE = 256;

interface Used {
  last: number;
  /** Sum of the weights of its uses, as of `last`. */
  weight: number;
}

/**
 * `popular` is LRFU (Lee et al. 2001, "LRFU: a spectrum of policies that subsumes LRU and LFU"): each use weighs
 * 2^(-age / HALF_LIFE), and the lightest sum goes first.
 */
export class Usage {
  readonly eviction: Eviction;
  readonly #used = new Map<string, Used>();
  #clock = 0;

  constructor(eviction: Eviction = "lru") {
    this.eviction = eviction;
  }

  touch(key: string): void {
    const last = ++this.#clock;
    this.#used.set(key, { last, weight: 1 + this.#weight(key) });
  }

  /** Logical time of the last use; 0: never. */
  lastUse(key: string): number {
    return this.#used.get(key)?.last ?? 0;
  }

  /** Those that give way first come first. */
  order<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
    const worth = (item: T) => (this.eviction === "lru" ? this.lastUse(keyOf(item)) : this.#weight(keyOf(item)));
    const scored = items.map((item) => ({ item, worth: worth(item), last: this.lastUse(keyOf(item)) }));
    return scored.sort((a, b) => a.worth - b.worth || a.last - b.last).map(({ item }) => item);
  }

  /** What nobody can use any more is forgotten; popularity of what was only put aside is not. */
  forget(key: string): void {
    this.#used.delete(key);
  }

  #weight(key: string): number {
    const used = this.#used.get(key);
    return used === undefined ? 0 : used.weight * 2 ** ((used.last - this.#clock) / HALF_LIFE);
  }
}
