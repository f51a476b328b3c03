// Which adapters and routers have pages on the device, who uses them, and which give way when pages run short.
// It holds no weights: the caller uploads what is reported `fresh`, and keeps a host copy to do it again.

import { MoloraError } from "../../proto/errors.ts";
import type { PagePool, PageRun } from "./page_pool.ts";
import { Usage } from "./usage.ts";

/** A generation (content hash of an adapter or router) and the pages it takes. */
export interface ResidentNeed {
  key: string;
  pages: number;
}

/** Where a generation lies. `fresh`: its pages hold something else until the caller has uploaded it. */
export interface Placement {
  key: string;
  firstPage: number;
  fresh: boolean;
}

/** One resident generation, for statistics. `lastUse` is a logical count of acquisitions and releases. */
export interface ResidentReport {
  key: string;
  firstPage: number;
  pages: number;
  pins: number;
  lastUse: number;
}

interface Resident extends PageRun {
  key: string;
  pins: number;
  /** Unloaded by its owner while pinned: goes with the last release. */
  dropped: boolean;
}

/**
 * Pages given up here may still be read by a step that was submitted and has not run yet. Reusing them at once is safe
 * all the same: uploads and steps execute in the order of their submission on one queue.
 */
export class Residency {
  #pool: PagePool;
  #residents = new Map<string, Resident>();
  #usage: Usage;
  /** Generations that give way only where nothing else can. */
  readonly #pinned = new Set<string>();
  #evictions = 0;
  /** Pages of generations nobody uses: what eviction can free. */
  #idlePages = 0;

  /** `usage` says which idle generations give way first. Default: those that were used longest ago. */
  constructor(pool: PagePool, usage = new Usage()) {
    this.#pool = pool;
    this.#usage = usage;
  }

  /** Generations that lost their pages so that others could have them. */
  get evictions(): number {
    return this.#evictions;
  }

  /** Pages of generations nobody uses: what eviction can free. */
  get idlePages(): number {
    return this.#idlePages;
  }

  /** Lets a generation stay, whether it has pages now or gets them later, as long as others can give way in its place. */
  pin(key: string): void {
    this.#pinned.add(key);
  }

  unpin(key: string): void {
    this.#pinned.delete(key);
  }

  /** First page of a resident generation, or undefined. */
  firstPage(key: string): number | undefined {
    return this.#residents.get(key)?.first;
  }

  /** Everything resident, least recently used first. */
  residents(): ResidentReport[] {
    return [...this.#residents.values()]
      .map(({ key, first, pages, pins }) => ({ key, firstPage: first, pages, pins, lastUse: this.#usage.lastUse(key) }))
      .sort((a, b) => a.lastUse - b.lastUse);
  }

  /** Pages of `needs` that nobody has pinned yet: by how much acquiring them shrinks `free + idlePages`. */
  unpinnedPages(needs: readonly ResidentNeed[]): number {
    return sum(distinct(needs).filter((need) => !this.#residents.get(need.key)?.pins));
  }

  /**
   * Pins every generation of `needs`, or none (undefined). Idle ones are evicted, in the order of `usage`, only if
   * that makes the whole acquisition succeed, and only those it takes. An idle generation of `needs` itself is moved
   * (placed anew, `fresh`) when it lies in the way of the rest and nothing else helps.
   */
  acquire(needs: readonly ResidentNeed[]): { placed: Placement[] } | undefined {
    const wanted = distinct(needs);
    for (const { key, pages } of wanted) {
      const known = this.#residents.get(key)?.pages ?? pages;
      if (known !== pages) throw new MoloraError("internal", `${key} has ${known} pages, not ${pages}`);
    }
    const victims = this.#victims(wanted);
    if (victims === undefined) return undefined;
    const reused = new Set(wanted.map((need) => need.key));
    for (const victim of victims) this.#remove(victim);
    this.#evictions += victims.filter((victim) => !reused.has(victim.key)).length;

    const fresh = new Set<string>();
    for (const { key, pages } of this.#missing(wanted, [])) {
      const first = this.#pool.takeRun(pages);
      if (first === undefined) throw new MoloraError("internal", `The place found for ${key} is gone`);
      this.#residents.set(key, { key, first, pages, pins: 0, dropped: false });
      this.#idlePages += pages;
      fresh.add(key);
    }
    const placed = wanted.map(({ key }) => {
      const resident = this.#demand(key);
      if (resident.pins++ === 0) this.#idlePages -= resident.pages;
      this.#usage.touch(key);
      return { key, firstPage: resident.first, fresh: fresh.has(key) };
    });
    return { placed };
  }

  /**
   * Gives pages to those of `needs` that have none, for nobody yet: `fresh` and idle. None where that would take pages
   * of others or more than half of the pool would be in use.
   */
  placeIdle(needs: readonly ResidentNeed[]): Placement[] {
    const missing = this.#missing(distinct(needs), []);
    const pages = missing.map((need) => need.pages);
    const left = this.#pool.free - this.#pool.kept - sum(missing);
    if (missing.length === 0 || left < this.#pool.capacity / 2 || !this.#pool.wouldFit(pages)) return [];
    const { placed } = this.acquire(missing)!;
    this.release(missing);
    return placed;
  }

  /** Undoes one `acquire` of the same generations. They stay resident, idle, until somebody needs their pages. */
  release(needs: readonly ResidentNeed[]): void {
    for (const { key } of distinct(needs)) {
      const resident = this.#demand(key);
      if (resident.pins === 0) throw new MoloraError("internal", `${key} was released more often than acquired`);
      if (--resident.pins === 0) this.#idlePages += resident.pages;
      this.#usage.touch(key);
      if (resident.pins === 0 && resident.dropped) this.drop(key);
    }
  }

  /** Unloads a generation: at once when idle, else with its last release. One that is not resident is fine. */
  drop(key: string): void {
    const resident = this.#residents.get(key);
    if (resident === undefined) this.#usage.forget(key);
    else if (resident.pins > 0) resident.dropped = true;
    else {
      this.#remove(resident);
      this.#usage.forget(key);
    }
  }

  /** What all of them held is gone; nobody uses one. */
  clear(): void {
    for (const resident of this.#residents.values()) {
      if (resident.pins > 0) throw new MoloraError("internal", `${resident.key} is in use`);
      this.#remove(resident);
    }
  }

  /** Evicts idle generations until `pages` pages, anywhere, are free. Evicts none and says false if that cannot be. */
  evictFor(pages: number): boolean {
    if (this.#pool.free >= pages) return true;
    if (this.#pool.free + this.#idlePages < pages) return false;
    for (const victim of this.#idle()) {
      if (this.#pool.free >= pages) break;
      this.#remove(victim);
      this.#evictions++;
    }
    return true;
  }

  /** The generations to evict so that `wanted` fits: often none; undefined if even all would not do. */
  #victims(wanted: readonly ResidentNeed[]): Resident[] | undefined {
    const sizes = (gone: readonly Resident[]) => this.#missing(wanted, gone).map((need) => need.pages);
    const asked = sizes([]);
    if (this.#pool.wouldFit(asked)) return [];
    // Giving up `idle` frees idlePages, of which the idle ones of `wanted` must be placed again.
    const idle = this.#idle();
    if (this.#pool.free + this.#idlePages < sum(this.#missing(wanted, idle))) return undefined;

    const keep = new Set(wanted.map((need) => need.key));
    const others = idle.filter(({ key }) => !keep.has(key));
    const smallest = Math.min(...asked);
    const trial = this.#pool.trial();
    let victims: Resident[] = [];
    for (const candidate of [...others, ...idle.filter(({ key }) => keep.has(key))]) {
      victims.push(candidate);
      const hole = trial.release(candidate);
      // Nothing fitted before, so that only what this hole takes can make a difference.
      if (hole < smallest && !keep.has(candidate.key)) continue;
      if (!trial.fits(sizes(victims))) continue;
      // Pages must be contiguous, so some on the way here did not help; spare those, most recently used first.
      for (const spared of victims.toReversed()) {
        const fewer = victims.filter((victim) => victim !== spared);
        trial.take(spared);
        if (trial.fits(sizes(fewer))) victims = fewer;
        else trial.release(spared);
      }
      return victims;
    }
    return undefined;
  }

  /** What of `wanted` needs a place once `gone` is evicted, largest first: small ones fill the holes that are left. */
  #missing(wanted: readonly ResidentNeed[], gone: readonly Resident[]): ResidentNeed[] {
    const lost = new Set(gone.map((resident) => resident.key));
    return wanted.filter(({ key }) => lost.has(key) || !this.#residents.has(key)).sort((a, b) => b.pages - a.pages);
  }

  /** Unpinned generations, those that give way first come first. */
  #idle(): Resident[] {
    const idle = [...this.#residents.values()].filter(({ pins }) => pins === 0);
    const inOrder = this.#usage.order(idle, ({ key }) => key);
    if (this.#pinned.size === 0) return inOrder;
    const pinned = inOrder.filter(({ key }) => this.#pinned.has(key));
    return [...inOrder.filter(({ key }) => !this.#pinned.has(key)), ...pinned];
  }

  #remove(resident: Resident): void {
    this.#residents.delete(resident.key);
    this.#idlePages -= resident.pages;
    this.#pool.release(resident.first, resident.pages);
  }

  #demand(key: string): Resident {
    const resident = this.#residents.get(key);
    if (resident === undefined) throw new MoloraError("internal", `${key} is not resident`);
    return resident;
  }
}

/** A stack or mixture may name one adapter twice; it takes its pages once. */
function distinct(needs: readonly ResidentNeed[]): ResidentNeed[] {
  return [...new Map(needs.map((need) => [need.key, need])).values()];
}

function sum(items: readonly { pages: number }[]): number {
  return items.reduce((total, { pages }) => total + pages, 0);
}
