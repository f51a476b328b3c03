// The page pool: which page indices are taken. One index stands for the same page in every layer's buffer.
// It holds no page itself (device_pool.ts does), so any size and content will do.

import { MoloraError } from "../../proto/errors.ts";

/** `pages` contiguous pages starting at `first`. */
export interface PageRun {
  first: number;
  pages: number;
}

/**
 * Adapters and routers are read as one range, so they take contiguous runs, first fit from the low end. KV pages are
 * reached through a page table, so they come one by one from the high end; that leaves the long holes to the adapters.
 * Free pages can be kept: they are handed out like others, but only when there are no others.
 */
export class PagePool {
  /** Pages that can be taken: all but page 0, which means "none" on the device. */
  readonly capacity: number;
  #taken: Uint8Array;
  #free: number;
  /** Every page above this one is taken or kept. */
  #top: number;
  /** Free pages whose content is still of use, the longest unused first. */
  #kept = new Set<number>();
  /** Called with each kept page that is taken for new content. */
  #lost: (page: number) => void = () => {};

  /** @param pages pages of the device buffer, the reserved page 0 included. */
  constructor(pages: number) {
    if (!Number.isSafeInteger(pages) || pages < 2) {
      throw new MoloraError(
        "out_of_pages",
        `a pool of ${pages} pages cannot hold anything beside the reserved page 0`,
        {
          remedy: "Give the engine more device memory.",
        },
      );
    }
    this.capacity = pages - 1;
    this.#taken = new Uint8Array(pages);
    this.#taken[0] = 1;
    this.#free = this.capacity;
    this.#top = pages - 1;
  }

  /** Pages that nobody holds, the kept ones among them. */
  get free(): number {
    return this.#free;
  }

  /** Free pages whose content is still of use. */
  get kept(): number {
    return this.#kept.size;
  }

  /** Takes `pages` contiguous pages at the lowest place they fit; the first one's index, or undefined. */
  takeRun(pages: number): number | undefined {
    const first = firstFit(this.#taken, pages);
    if (first === undefined) return undefined;
    for (let page = first; page < first + pages; page++) this.#take(page);
    return first;
  }

  /** Takes the highest free page that is not kept, else the kept one that is longest unused; or undefined. */
  takePage(): number | undefined {
    const page = this.#highestUnused() ?? this.#longestKept();
    if (page !== undefined) this.#take(page);
    return page;
  }

  /** Takes a kept page with its content. */
  retake(page: number): void {
    if (!this.#kept.delete(page)) throw new MoloraError("internal", `page ${page} is not kept`);
    this.#take(page);
  }

  /** Gives a page back whose content is of use as long as nobody else takes it; `whenLost` tells when that happens. */
  releaseKept(page: number): void {
    this.#give(page, 1);
    this.#kept.add(page);
  }

  /** No free page's content is of use any more. */
  keepNone(): void {
    this.#kept.clear();
    this.#top = this.capacity;
  }

  /** Registers the callback for a kept page that is taken for new content. */
  whenLost(told: (page: number) => void): void {
    this.#lost = told;
  }

  /** Gives pages back. @throws MoloraError `internal` for a page that is outside the pool or free already. */
  release(first: number, pages: number): void {
    this.#give(first, pages);
    this.#top = Math.max(this.#top, first + pages - 1);
  }

  #give(first: number, pages: number): void {
    this.#demandTaken(first, pages);
    this.#taken.fill(0, first, first + pages);
    this.#free += pages;
  }

  /** Whether runs of these sizes fit, taken in this order. */
  wouldFit(sizes: readonly number[]): boolean {
    return this.trial().fits(sizes);
  }

  /** Starts from what is taken now. */
  trial(): PoolTrial {
    return new PoolTrial(this.#taken.slice());
  }

  /** The highest page that is neither taken nor kept. */
  #highestUnused(): number | undefined {
    // As it is most of the time: all that is free is kept.
    if (this.#free === this.#kept.size) return undefined;
    while (this.#top > 0 && (this.#taken[this.#top] === 1 || this.#kept.has(this.#top))) this.#top--;
    return this.#top > 0 ? this.#top : undefined;
  }

  /** A set keeps the order of insertion, so its first page was given back first. */
  #longestKept(): number | undefined {
    return this.#kept.values().next().value;
  }

  #take(page: number): void {
    this.#taken[page] = 1;
    this.#free--;
    if (this.#kept.delete(page)) this.#lost(page);
  }

  #demandTaken(first: number, pages: number): void {
    const inside = Number.isInteger(first) && Number.isInteger(pages) && first > 0 && pages > 0;
    if (!inside || first + pages > this.#taken.length) {
      throw new MoloraError("internal", `pages [${first}, ${first + pages}) are not of this pool`);
    }
    const free = this.#taken.subarray(first, first + pages).indexOf(0);
    if (free >= 0) throw new MoloraError("internal", `page ${first + free} was given back twice`);
  }
}

/** Asks what would fit if runs were given back, and gives none back: so an eviction is decided on, and nothing is evicted in vain. */
export class PoolTrial {
  readonly #taken: Uint8Array;

  constructor(taken: Uint8Array) {
    this.#taken = taken;
  }

  /** As if a run were given back. Tells the size of the hole that it is a part of then. */
  release({ first, pages }: PageRun): number {
    this.#taken.fill(0, first, first + pages);
    const end = this.#taken.indexOf(1, first + pages);
    return (end < 0 ? this.#taken.length : end) - this.#taken.lastIndexOf(1, first) - 1;
  }

  /** As if it had been kept after all. */
  take({ first, pages }: PageRun): void {
    this.#taken.fill(1, first, first + pages);
  }

  /** Whether runs of these sizes would fit, taken in this order. */
  fits(sizes: readonly number[]): boolean {
    const placed: PageRun[] = [];
    for (const pages of sizes) {
      const first = firstFit(this.#taken, pages);
      if (first === undefined) break;
      placed.push({ first, pages });
      this.take({ first, pages });
    }
    for (const { first, pages } of placed) this.#taken.fill(0, first, first + pages);
    return placed.length === sizes.length;
  }
}

/** The lowest start of `pages` zeros in a row. */
function firstFit(taken: Uint8Array, pages: number): number | undefined {
  if (!Number.isInteger(pages) || pages < 1) {
    throw new MoloraError("internal", `a run of ${pages} pages was asked for`);
  }
  let start = taken.indexOf(0);
  while (start >= 0 && start + pages <= taken.length) {
    const blocked = taken.subarray(start, start + pages).indexOf(1);
    if (blocked < 0) return start;
    start = taken.indexOf(0, start + blocked);
  }
  return undefined;
}
