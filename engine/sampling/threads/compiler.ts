// Schemas compiled in threads of their own, two at a time; whoever no longer wants one has its thread ended.

import type { AbortLike } from "../../../proto/api.ts";
import { MoloraError } from "../../../proto/errors.ts";
import type { Grammar } from "../schema/nodes.ts";
import type { OpenGrammarThread } from "./orders.ts";
import { ThreadLost, TimedThread } from "./timed_thread.ts";

const LIMIT_MS = 2000;
const MOST_THREADS = 2;
const LONGEST_QUEUE = 1024;

export class Compiler {
  readonly #open: OpenGrammarThread;
  readonly #idle: TimedThread[] = [];
  readonly #busy = new Set<TimedThread>();
  /** Those whose turn it is, and who waits for one. */
  #turns = 0;
  readonly #queue: (() => void)[] = [];

  constructor(open: OpenGrammarThread) {
    this.#open = open;
  }

  /**
   * @throws MoloraError `schema_invalid`; `schema_too_complex` after two seconds at most; `cancelled` when the signal is
   * aborted; `queue_full`.
   */
  async compile(source: string, signal: AbortLike): Promise<Grammar> {
    await this.#turn(signal);
    try {
      return await this.#carryOut(source, signal);
    } finally {
      this.#pass();
    }
  }

  async #carryOut(source: string, signal: AbortLike): Promise<Grammar> {
    const thread = this.#idle.pop() ?? new TimedThread(this.#open);
    const end = () => thread.end();
    this.#busy.add(thread);
    signal.addEventListener("abort", end, { once: true });
    try {
      return (await thread.ask({ kind: "compile", source }, LIMIT_MS)).grammar!;
    } catch (thrown) {
      throw thrown instanceof ThreadLost ? cancelled() : thrown;
    } finally {
      signal.removeEventListener("abort", end);
      this.#busy.delete(thread);
      if (!thread.ended) this.#idle.push(thread);
    }
  }

  close(): void {
    for (const thread of [...this.#idle.splice(0), ...this.#busy]) thread.end();
  }

  async #turn(signal: AbortLike): Promise<void> {
    if (signal.aborted) throw cancelled();
    if (this.#turns < MOST_THREADS) {
      this.#turns++;
      return;
    }
    if (this.#queue.length >= LONGEST_QUEUE) {
      throw new MoloraError("queue_full", `${LONGEST_QUEUE} schemas wait already`, { remedy: "Try again later." });
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        const at = this.#queue.indexOf(enter);
        if (at !== -1) this.#queue.splice(at, 1);
        reject(cancelled());
      };
      const enter = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      this.#queue.push(enter);
      signal.addEventListener("abort", leave, { once: true });
    });
    if (!signal.aborted) return;
    this.#pass();
    throw cancelled();
  }

  /** The turn goes to the next in line. */
  #pass(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#turns--;
    else next();
  }
}

export function cancelled(): MoloraError {
  return new MoloraError("cancelled", "the request was cancelled while its schema was compiled");
}
