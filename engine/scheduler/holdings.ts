// What sequences hold on the device (a slot, pinned generations, KV pages): taking it and giving it back.
// Who gets what, and who must yield, the scheduler decides.

import { MoloraError } from "../../proto/errors.ts";
import type { PagePool } from "../memory/page_pool.ts";
import { emptyPrefix, type Prefix, PrefixCache } from "../memory/prefix_cache.ts";
import type { Placement, Residency, ResidentNeed } from "../memory/residency.ts";
import type { SchedulerOptions } from "./options.ts";
import { promptTooLong } from "./refusals.ts";
import type { FixedEntry, RoutePlan } from "./sequence.ts";
import { NO_SLOT, type Sequence } from "./sequence.ts";

export class Holdings {
  #pool: PagePool;
  #residency: Residency;
  #cache: PrefixCache;
  #pageTokens: number;
  #shares: boolean;
  /** Free slots, as a stack. */
  #freeSlots: number[];

  constructor(pool: PagePool, residency: Residency, options: Required<SchedulerOptions>) {
    this.#pool = pool;
    this.#residency = residency;
    this.#cache = new PrefixCache(pool);
    this.#pageTokens = options.pageTokens;
    this.#shares = options.prefixCache;
    this.#freeSlots = Array.from({ length: options.maxSequences }, (_, i) => options.maxSequences - 1 - i);
  }

  /** Positions of KV the pool can hold beside these generations; 0 when they alone do not fit. */
  positionsBeside(needs: readonly ResidentNeed[]): number {
    const sizes = new Map(needs.map(({ key, pages }) => [key, pages])).values();
    const left = this.#pool.capacity - [...sizes].reduce((total, pages) => total + pages, 0);
    return Math.max(0, left) * this.#pageTokens;
  }

  /** @throws MoloraError `out_of_pages` or `prompt_too_long` for a sequence that could not run even alone. */
  demandFits({ id, promptLength, lastPosition, residencyKeys }: Sequence): void {
    const positions = this.positionsBeside(residencyKeys);
    const details = { positions, promptLength, lastPosition };
    if (positions === 0) {
      throw new MoloraError("out_of_pages", `the adapters of ${id} take all ${this.#pool.capacity} pages there are`, {
        remedy: "Give the engine more device memory, or use fewer or smaller adapters.",
        details,
      });
    }
    if (promptLength > positions) throw promptTooLong(promptLength, positions);
    if (lastPosition > positions) {
      throw new MoloraError(
        "out_of_pages",
        `prompt and output take ${lastPosition} positions, memory holds ${positions}`,
        {
          remedy: `Lower maxTokens to ${positions - promptLength + 1} or give the engine more device memory.`,
          details,
        },
      );
    }
  }

  /**
   * Pages a sequence still needs for the tokens it has and one page more to grow into. Admission leaves this much to
   * everyone who runs; else a newcomer would be admitted only to be preempted a few steps later.
   */
  pagesAhead({ length, lastPosition, pages }: Sequence): number {
    return Math.ceil(Math.min(length + this.#pageTokens, lastPosition) / this.#pageTokens) - pages.length;
  }

  /**
   * Gives a sequence its slot, pins its generations and finds the pages of its beginning that were computed before, if
   * that leaves `reserved` pages. Takes all of it or nothing.
   */
  admit(sequence: Sequence, reserved: number): Placement[] | undefined {
    if (this.#freeSlots.length === 0) return undefined;
    const needed = this.#residency.unpinnedPages(sequence.residencyKeys) + this.pagesAhead(sequence) + reserved;
    if (needed > this.#pool.free + this.#residency.idlePages) return undefined;
    const acquired = this.#residency.acquire(sequence.residencyKeys);
    if (acquired === undefined) return undefined;
    sequence.slot = this.#freeSlots.pop()!;
    this.#adopt(sequence);
    return acquired.placed;
  }

  /** Takes KV pages for positions [0, end), from idle adapters if need be; how many of the positions have a page now. */
  cover(sequence: Sequence, end: number): number {
    const { pages } = sequence;
    while (pages.length * this.#pageTokens < end && this.#residency.evictFor(1)) pages.push(this.#cache.take()!);
    return Math.min(end, pages.length * this.#pageTokens);
  }

  /** Lets others find the pages that are full, as far as the host knows the tokens in them. */
  publish(sequence: Sequence): void {
    if (!this.#shares) return;
    const { tokens, pages, computed } = sequence;
    const published = sequence.published!;
    const full = Math.floor(Math.min(computed, tokens.length) / this.#pageTokens);
    while (published.pages < full) {
      const own = this.#tokensOfPage(sequence, published.pages);
      const before = this.#entered(sequence, published);
      published.prefix = this.#cache.publish(before, own, pages[published.pages++]!);
    }
  }

  /** Takes back everything a running sequence holds. `spoiled`: nobody is to find what its pages hold. */
  reclaim(sequence: Sequence, spoiled = false): void {
    if (spoiled) for (const page of sequence.pages) this.#cache.forget(page);
    else this.publish(sequence);
    sequence.published = undefined;
    sequence.adopted = 0;
    // The last first: of a beginning, what all its continuations share is of use the longest.
    for (const page of sequence.pages.splice(0).reverse()) this.#cache.release(page);
    this.#residency.release(sequence.residencyKeys);
    this.#freeSlots.push(sequence.slot);
    sequence.slot = NO_SLOT;
  }

  /** Nobody runs, and what the device held is gone. */
  clear(): void {
    this.#cache.clear();
    this.#residency.clear();
  }

  /** Takes the pages that hold the sequence's beginning already, but for its last token, which must be computed. */
  #adopt(sequence: Sequence): void {
    const turned = sequence.firstTurn === 0 ? "" : `, turned from ${sequence.firstTurn}`;
    const published = { pages: 0, prefix: emptyPrefix(routeName(sequence.routePlan) + turned) };
    sequence.published = published;
    // Logits of the prompt come from computing it.
    if (!this.#shares || (sequence.promptLogprobs && sequence.scored < sequence.promptLength)) return;
    const most = Math.floor((sequence.tokens.length - 1) / this.#pageTokens);
    while (published.pages < most) {
      const before = this.#entered(sequence, published);
      const found = this.#cache.adopt(before, this.#tokensOfPage(sequence, published.pages));
      if (found === undefined) break;
      sequence.pages.push(found.page);
      published.prefix = found.prefix;
      published.pages++;
    }
    sequence.adopted = sequence.computed = published.pages * this.#pageTokens;
  }

  /** The beginning that a page follows: with what begins to act in that page, whose KV is no other sequence's then. */
  #entered({ routePlan }: Sequence, { pages, prefix }: { pages: number; prefix: Prefix }): Prefix {
    if (routePlan.kind !== "fixed") return prefix;
    const here = routePlan.entries.filter(({ from = 0 }) => from > 0 && Math.floor(from / this.#pageTokens) === pages);
    return here.length === 0 ? prefix : `${prefix} then ${entriesName(here)}`;
  }

  #tokensOfPage({ tokens }: Sequence, page: number): number[] {
    return tokens.slice(page * this.#pageTokens, (page + 1) * this.#pageTokens);
  }
}

/** Equal for plans under which equal tokens leave equal KV, as long as nothing begins to act behind the first position. */
function routeName(plan: RoutePlan): string {
  switch (plan.kind) {
    case "none":
      return "none";
    case "fixed": {
      const first = plan.entries.filter(({ from = 0 }) => from === 0);
      const embedding = plan.entries.find(({ from = 0, embeds }) => from > 0 && embeds);
      const names = [...(first.length === 0 ? [] : [`fixed ${entriesName(first)}`])];
      if (embedding !== undefined) names.push(`embedded by ${embedding.key}`);
      return names.length === 0 ? "none" : names.join(", ");
    }
    case "router":
      return `router ${plan.key}${plan.beside === undefined ? "" : ` beside ${entriesName(plan.beside)}`}`;
  }
}

function entriesName(entries: readonly FixedEntry[]): string {
  return entries.map(({ key, weight, from = 0 }) => `${key} ${weight}${from > 0 ? ` from ${from}` : ""}`).join(", ");
}
