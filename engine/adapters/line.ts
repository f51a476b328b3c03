// Work that waits its turn: a few pieces at a time, or one alone, in the order of asking.

interface Waiting {
  alone: boolean;
  begin: () => void;
}

export class Line {
  readonly #most: number;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #isAlone = false;

  /** `most`: pieces at a time. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Beside others. */
  together<T>(work: () => Promise<T>): Promise<T> {
    return this.#enter(work, false);
  }

  /** While nothing else runs. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#enter(work, true);
  }

  async #enter<T>(work: () => Promise<T>, alone: boolean): Promise<T> {
    await new Promise<void>((begin) => {
      this.#waiting.push({ alone, begin });
      this.#next();
    });
    try {
      return await work();
    } finally {
      this.#running--;
      this.#isAlone = false;
      this.#next();
    }
  }

  #next(): void {
    while (this.#waiting.length > 0 && !this.#isAlone) {
      const { alone } = this.#waiting[0];
      if (this.#running >= (alone ? 1 : this.#most)) return;
      const { begin } = this.#waiting.shift()!;
      this.#running++;
      this.#isAlone = alone;
      begin();
    }
  }
}
