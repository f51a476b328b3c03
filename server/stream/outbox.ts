// Frames on their way to one socket: counts what is unsent, tells producers to wait, gives up on a reader that stalls.
// A sink takes frames and says when each has left.

import { MoloraError } from "../../proto/errors.ts";
import type { Frame } from "../../proto/messages.ts";
import type { ServerLimits } from "../limits.ts";

/** Takes a frame; calls `sent` once it has left this process. */
export type Sink = (frame: Frame, sent: () => void) => void;

export class Outbox {
  readonly #sink: Sink;
  readonly #limits: ServerLimits;
  readonly #onSlow: (error: MoloraError) => void;
  #unsent = 0;
  #closed = false;
  #waiting: (() => void)[] = [];
  #stall: NodeJS.Timeout | undefined;
  #lastProgress = performance.now();

  /** `onSlow` is called once, when the reader has fallen too far behind; the outbox is closed by then. */
  constructor(sink: Sink, limits: ServerLimits, onSlow: (error: MoloraError) => void) {
    this.#sink = sink;
    this.#limits = limits;
    this.#onSlow = onSlow;
  }

  /** When a frame last left, by performance.now(): a sign of life beside pongs. */
  get lastProgress(): number {
    return this.#lastProgress;
  }

  send(frame: Frame): void {
    if (this.#closed) return;
    const bytes = typeof frame === "string" ? Buffer.byteLength(frame) : frame.byteLength;
    // A frame alone may exceed the limit (a long list of adapters): it is the reader that is judged.
    if (this.#unsent + bytes > this.#limits.hardBufferBytes && this.#unsent > 0) {
      this.#giveUp(`${this.#unsent} bytes are unsent, the limit is ${this.#limits.hardBufferBytes}`);
      return;
    }
    this.#unsent += bytes;
    this.#sink(frame, () => this.#left(bytes));
    if (this.#full) this.#watch();
  }

  /** Resolves once the socket is below its soft limit (or closed): the time to produce the next frame. */
  async room(): Promise<void> {
    while (this.#full && !this.#closed) await new Promise<void>((wake) => this.#waiting.push(wake));
  }

  /** Drops what follows and wakes who waits. */
  close(): void {
    this.#closed = true;
    this.#unwatch();
    this.#wake();
  }

  get #full(): boolean {
    return this.#unsent > this.#limits.softBufferBytes;
  }

  #left(bytes: number): void {
    this.#unsent -= bytes;
    this.#lastProgress = performance.now();
    this.#unwatch();
    if (this.#closed) return;
    if (this.#full) this.#watch();
    else this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #watch(): void {
    this.#stall ??= setTimeout(
      () => this.#giveUp(`nothing was taken for ${this.#limits.stallMs} ms`),
      this.#limits.stallMs,
    );
  }

  #unwatch(): void {
    clearTimeout(this.#stall);
    this.#stall = undefined;
  }

  #giveUp(why: string): void {
    this.close();
    const { softBufferBytes, hardBufferBytes, stallMs } = this.#limits;
    this.#onSlow(
      new MoloraError("slow_reader", `the connection is read too slowly: ${why}`, {
        remedy: "Read frames as they arrive, or ask for fewer at once.",
        details: { softBufferBytes, hardBufferBytes, stallMs },
      }),
    );
  }
}
