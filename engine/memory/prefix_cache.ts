// Which KV pages hold the beginnings of which sequences, so that the next sequence that begins alike need not compute them.
// It relies on one fact only: equal tokens under an equal route leave equal pages.

import type { PagePool } from "./page_pool.ts";

/** A beginning of whole pages: of which route, and after which tokens. */
export type Prefix = string;

/** The empty beginning under a route. Routes that are named alike must compute alike. */
export function emptyPrefix(route: string): Prefix {
  return `route ${route}`;
}

/**
 * A page is known by the beginning it follows and by its own tokens, so a sequence finds its pages one after another
 * (as vLLM's automatic prefix caching does, but exactly: nothing is hashed). Pages of one beginning are shared by all
 * who hold it; full ones are never written again. What nobody holds any more goes back to the pool, which hands it out
 * last, the longest unused first; until then it can be found.
 */
export class PrefixCache {
  readonly #pool: PagePool;
  /** By beginning and tokens: the page, and the longer beginning that it completes. */
  readonly #found = new Map<string, { page: number; prefix: Prefix }>();
  /** The same by page. */
  readonly #known = new Map<number, string>();
  /** Sequences that hold a page. */
  readonly #holders = new Map<number, number>();
  #named = 0;

  constructor(pool: PagePool) {
    this.#pool = pool;
    pool.whenLost((page) => this.forget(page));
  }

  /** A page nobody holds, to be filled; undefined when there is none. */
  take(): number | undefined {
    const page = this.#pool.takePage();
    if (page !== undefined) this.#holders.set(page, 1);
    return page;
  }

  /** The page that holds `tokens` after `prefix`, now held once more, and the beginning it completes. */
  adopt(prefix: Prefix, tokens: readonly number[]): { page: number; prefix: Prefix } | undefined {
    const found = this.#found.get(keyOf(prefix, tokens));
    if (found === undefined) return undefined;
    const holders = this.#holders.get(found.page) ?? 0;
    if (holders === 0) this.#pool.retake(found.page);
    this.#holders.set(found.page, holders + 1);
    return found;
  }

  /** `page` holds `tokens` after `prefix` from now on. Where another page does so already, that one stays the known one. */
  publish(prefix: Prefix, tokens: readonly number[], page: number): Prefix {
    const key = keyOf(prefix, tokens);
    const known = this.#found.get(key);
    if (known !== undefined) return known.prefix;
    const longer = `page ${this.#named++}`;
    this.#found.set(key, { page, prefix: longer });
    this.#known.set(page, key);
    return longer;
  }

  /** Undoes one `take` or `adopt`. */
  release(page: number): void {
    const holders = this.#holders.get(page)! - 1;
    if (holders > 0) {
      this.#holders.set(page, holders);
      return;
    }
    this.#holders.delete(page);
    if (this.#known.has(page)) this.#pool.releaseKept(page);
    else this.#pool.release(page, 1);
  }

  /** What all pages held is gone. */
  clear(): void {
    this.#found.clear();
    this.#known.clear();
    this.#pool.keepNone();
  }

  /** Nobody finds this page any more; who holds it keeps it. */
  forget(page: number): void {
    const key = this.#known.get(page);
    if (key === undefined) return;
    this.#found.delete(key);
    this.#known.delete(page);
  }
}

function keyOf(prefix: Prefix, tokens: readonly number[]): string {
  return `${prefix}: ${tokens.join(" ")}`;
}
