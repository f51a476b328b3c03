// Messages of one request on their way to whoever awaits them: a queue with an end.
// It knows nothing of messages and sockets.

export class Inbox<T> {
  readonly #items: T[] = [];
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  push(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  /** What was pushed before is still delivered; then `next` throws `error`. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#wake?.();
  }

  /** The next item, in order. One reader at a time. */
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
