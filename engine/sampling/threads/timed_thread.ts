// A grammar thread that is given so much time for each order, and is ended when it takes longer.

import { MoloraError } from "../../../proto/errors.ts";
import { tooComplex } from "../language/budget.ts";
import type { Answer, GrammarThread, OpenGrammarThread, Order } from "./orders.ts";

/** A thread that has not begun by then will not. */
const START_MS = 30_000;

/** The thread ended before it came to this order: another one can be asked. */
export class ThreadLost extends Error {}

interface Waiting {
  limitMs: number;
  resolve: (answer: Answer & { kind: "done" }) => void;
  reject: (error: Error) => void;
}

export class TimedThread {
  readonly #thread: GrammarThread;
  /** The first is under way. */
  readonly #waiting: Waiting[] = [];
  #ready = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended = false;

  constructor(open: OpenGrammarThread) {
    this.#thread = open({
      answer: (answer) => this.#answered(answer),
      lost: (reason) => this.#lost(tooComplex(`its thread ended (${reason})`)),
    });
    this.#watch();
  }

  get ended(): boolean {
    return this.#ended;
  }

  get idle(): boolean {
    return this.#waiting.length === 0;
  }

  /**
   * @throws MoloraError `schema_too_complex` where this order takes longer than `limitMs` or all memory, `ThreadLost` where
   * another one does.
   */
  ask(order: Order, limitMs: number): Promise<Answer & { kind: "done" }> {
    if (this.#ended) return Promise.reject(new ThreadLost());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ limitMs, resolve, reject });
      this.#thread.post(order);
      if (this.#waiting.length === 1 && this.#ready) this.#watch();
    });
  }

  /** Ends it; what waits is told that it is lost. */
  end(): void {
    this.#lost(new ThreadLost());
  }

  #answered(answer: Answer): void {
    if (this.#ended) return;
    if (answer.kind === "ready") this.#ready = true;
    else {
      const { resolve, reject } = this.#waiting.shift()!;
      if (answer.kind === "done") resolve(answer);
      else {
        const { code, message, remedy } = answer;
        reject(new MoloraError(code, message, remedy === undefined ? {} : { remedy }));
      }
    }
    this.#watch();
  }

  /** The time of the order under way begins now. */
  #watch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const limitMs = this.#ready ? this.#waiting[0]?.limitMs : START_MS;
    if (limitMs === undefined) return;
    const reason = this.#ready ? `it takes more than ${limitMs / 1000} s` : "its thread does not start";
    this.#timer = setTimeout(() => this.#lost(tooComplex(reason)), limitMs);
  }

  /** The order under way is why. */
  #lost(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#thread.end();
    const [first, ...others] = this.#waiting.splice(0);
    first?.reject(error);
    for (const { reject } of others) reject(new ThreadLost());
  }
}
