// The threads of the CPU device as one: a list of commands is handed out, all of them work on it, a promise says when.

import { MoloraError } from "../../proto/errors.ts";
import { COMMAND_WORDS, CONTROL } from "./control.ts";
import type { SharedMemory } from "./module.ts";
import type { Thread, ThreadSetup } from "./worker.ts";

/** A thread as the host started it. */
export interface StartedThread {
  /** Whether it keeps the process alive. */
  ref(): void;
  unref(): void;
  /** Ends it at once, whatever it does. */
  terminate(): unknown;
}

/** Starts a thread that calls `runThread(setup)`; `onEnd` is told why where it ends by itself or cannot begin. */
export type StartThread = (setup: ThreadSetup, onEnd: (reason: string) => void) => StartedThread;

/** What computes lists: other threads, or where there can be none this one. */
export interface Crew {
  readonly threads: number;
  /** Resolves when the `commands` at address `list` are done. One list at a time. @throws MoloraError `internal`, `gpu_lost` */
  compute(list: number, commands: number): Promise<void>;
  close(): void;
}

export class ThreadCrew implements Crew {
  readonly threads: number;
  readonly #control: Int32Array<SharedArrayBuffer>;
  readonly #started: StartedThread[];
  readonly #bodies: readonly string[];
  /** Why no list can be computed any more. */
  #lost: MoloraError | undefined;
  /** Rejects the list that is computed. Each has its own: what races a promise is kept for as long as that promise is. */
  #reject: (error: MoloraError) => void = () => {};
  #closed = false;

  constructor(memory: SharedMemory, setups: readonly ThreadSetup[], start: StartThread) {
    this.threads = setups.length;
    this.#control = new Int32Array(memory.buffer);
    this.#bodies = setups[0].bodies;
    const lose = (reason: string) => {
      if (this.#closed) return;
      this.#lost = lostThread(reason);
      this.#reject(this.#lost);
      this.close(); // The others would wait for it for ever.
    };
    this.#started = setups.map((setup) => start(setup, lose));
    for (const thread of this.#started) thread.unref();
  }

  async compute(list: number, commands: number): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    const lost = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    const control = this.#control;
    const done = Atomics.load(control, CONTROL.done);
    control[CONTROL.list] = list;
    control[CONTROL.commands] = commands;
    Atomics.add(control, CONTROL.turn, 1);
    Atomics.notify(control, CONTROL.turn);
    // A pending wait alone does not keep the process alive.
    this.#started[0].ref();
    try {
      // Asked again after each wake-up: a thread that was held up between counting the list before this one and telling of it wakes
      // whoever waits now.
      while (Atomics.load(control, CONTROL.done) === done) {
        await Promise.race([Atomics.waitAsync(control, CONTROL.done, done).value, lost]);
      }
    } finally {
      this.#reject = () => {};
      this.#started[0].unref();
    }
    reportFailure(control, this.#bodies);
  }

  close(): void {
    this.#closed = true;
    Atomics.store(this.#control, CONTROL.quit, 1);
    Atomics.add(this.#control, CONTROL.turn, 1);
    Atomics.notify(this.#control, CONTROL.turn);
    // A wait for a list that nobody ends would hold the whole memory for ever.
    Atomics.notify(this.#control, CONTROL.done);
    for (const thread of this.#started) thread.terminate();
  }
}

/** One thread: the caller's. It blocks while it computes, and lets the event loop turn before that. */
export class InlineCrew implements Crew {
  readonly threads = 1;
  readonly #control: Int32Array<SharedArrayBuffer>;
  readonly #thread: Thread;
  readonly #bodies: readonly string[];

  constructor(memory: SharedMemory, thread: Thread, bodies: readonly string[]) {
    this.#control = new Int32Array(memory.buffer);
    this.#thread = thread;
    this.#bodies = bodies;
  }

  async compute(list: number, commands: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve));
    this.#control[CONTROL.list] = list;
    this.#control[CONTROL.commands] = commands;
    this.#thread.runList(0);
    reportFailure(this.#control, this.#bodies);
  }

  close(): void {}
}

function lostThread(reason: string): MoloraError {
  return new MoloraError("gpu_lost", `a thread of the CPU device ended: ${reason}`, {
    remedy: "Load the engine again; with fewer threads or a smaller model where memory ran out.",
  });
}

function reportFailure(control: Int32Array, bodies: readonly string[]): void {
  const failed = Atomics.exchange(control, CONTROL.failed, 0);
  if (failed !== 0) throw new MoloraError("internal", `the CPU kernel ${bodies[failed - 1]} failed`);
}

/** Bytes that `commands` commands take. */
export function listBytes(commands: number): number {
  return commands * COMMAND_WORDS * 4;
}
