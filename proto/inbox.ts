// A queue of the messages of one request, which ends with an error or is simply left.

export class Inbox<T> {
  readonly #items: T[] = [];
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  push(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  /** Items pushed before are still delivered; then `next` throws `error`. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#wake?.();
  }

  /** The next item, in order. Only one reader may wait at a time. */
  async next(): Promise<T> {
    while (this.#items.length === 0) {
      if (this.#error !== undefined) throw this.#error;
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    return this.#items.shift() as T;
  }
}
