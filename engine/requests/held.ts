// Sequences that wait for the mask of their next token. Masks are told in another thread, and no one waits for another's.

import type { Sequence } from "../scheduler/sequence.ts";

/** Most masks come within it, so that their sequences are in the next step; the others of the batch lose no more by it. */
const GRACE_MS = 3;

export class Held {
  readonly #known = new Set<Promise<void>>();
  #wake = () => {};

  get size(): number {
    return this.#known.size;
  }

  /** The sequence is planned again once this settles. */
  add(sequence: Pick<Sequence, "held">, known: Promise<void>): void {
    sequence.held = true;
    const settled = known.finally(() => {
      sequence.held = false;
      this.#known.delete(settled);
    });
    this.#known.add(settled);
  }

  /** Waits for all of them, but not longer than a moment. */
  async soon(): Promise<void> {
    if (this.#known.size === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const moment = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, GRACE_MS);
    });
    await Promise.race([Promise.all(this.#known), moment]);
    clearTimeout(timer);
  }

  /** Waits for one of them, or until there is something else to do. */
  async next(): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await Promise.race([...this.#known, woken]);
    this.#wake = () => {};
  }

  /** Something else came: a new request. */
  wake(): void {
    this.#wake();
  }
}
