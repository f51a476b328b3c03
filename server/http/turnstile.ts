// Lets a burst of requests in a few at a time, so that others have their turn in between.

/** Requests let in between two turns of the event loop: a few milliseconds of reading and checking. */
const EACH_TURN = 4;

export class Turnstile {
  #left = EACH_TURN;
  #turning = false;
  #waiting: (() => void)[] = [];

  /** Resolves when it is the caller's turn, in the order of the calls: at once where there is no burst. */
  async enter(): Promise<void> {
    if (!this.#turning) {
      this.#turning = true;
      setImmediate(() => this.#turn());
    }
    if (this.#left > 0) this.#left--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #turn(): void {
    const admitted = this.#waiting.splice(0, EACH_TURN);
    this.#left = EACH_TURN - admitted.length;
    this.#turning = admitted.length > 0;
    if (this.#turning) setImmediate(() => this.#turn());
    for (const admit of admitted) admit();
  }
}
