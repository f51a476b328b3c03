// One thread of the CPU device: takes items of the commands in shared memory until a list is done, then sleeps.
// How threads are started is the host's matter.

import { COMMAND, COMMAND_WORDS, CONTROL } from "./control.ts";
import type { KernelModule, SharedMemory } from "./module.ts";
import { instantiate } from "./module.ts";

export interface ThreadSetup {
  module: KernelModule;
  memory: SharedMemory;
  /** Names of the kernels by the index that commands give. */
  bodies: readonly string[];
  thread: number;
  threads: number;
  /** Address of this thread's scratch memory. */
  scratch: number;
  /** Looks at a barrier before a thread sleeps; 0 where threads share cores. */
  spins: number;
}

/** Computes until the device closes. */
export function runThread(setup: ThreadSetup): void {
  const thread = new Thread(setup);
  const control = new Int32Array(setup.memory.buffer);
  let turn = 0;
  for (;;) {
    Atomics.wait(control, CONTROL.turn, turn);
    turn = Atomics.load(control, CONTROL.turn);
    if (Atomics.load(control, CONTROL.quit) === 1) return;
    if (turn !== thread.turnsDone) thread.runList(turn);
  }
}

export type Body = (args: number, first: number, end: number) => void;

export class Thread {
  turnsDone = 0;
  readonly #setup: ThreadSetup;
  readonly #bodies: readonly Body[];
  /** Grows with the memory: a view of an older, smaller one does not reach new lists. */
  #words: Int32Array;

  constructor(setup: ThreadSetup) {
    this.#setup = setup;
    const kernels = instantiate(setup.module, setup.memory, setup.scratch);
    this.#bodies = setup.bodies.map((name) => kernels[name]);
    this.#words = new Int32Array(setup.memory.buffer);
  }

  runList(turn: number): void {
    const { memory, threads } = this.#setup;
    if (this.#words.byteLength !== memory.buffer.byteLength) this.#words = new Int32Array(memory.buffer);
    const words = this.#words;
    const list = words[CONTROL.list] / 4;
    const count = words[CONTROL.commands];
    for (let i = 0; i < count; i++) {
      const at = list + i * COMMAND_WORDS;
      this.#takeItems(words, at);
      if (i < count - 1 && words[at + COMMAND.barrier] === 1 && threads > 1) this.#meet(words);
    }
    this.turnsDone = turn;
    if (!this.#isLast(words)) return;
    Atomics.add(words, CONTROL.done, 1);
    Atomics.notify(words, CONTROL.done);
  }

  #takeItems(words: Int32Array, at: number): void {
    const items = words[at + COMMAND.items];
    const chunk = words[at + COMMAND.chunk];
    const args = words[at + COMMAND.args];
    const body = this.#bodies[words[at + COMMAND.body]];
    try {
      for (;;) {
        const first = Atomics.add(words, at + COMMAND.next, chunk);
        if (first >= items) return;
        body(args, first, Math.min(items, first + chunk));
      }
    } catch {
      // The others must not wait for ever: this thread goes on to the barrier, and the device reports the list.
      Atomics.compareExchange(words, CONTROL.failed, 0, 1 + words[at + COMMAND.body]);
    }
  }

  /** Counts this thread in; true for the last of all, with the count begun anew. */
  #isLast(words: Int32Array): boolean {
    if (Atomics.add(words, CONTROL.arrived, 1) < this.#setup.threads - 1) return false;
    Atomics.store(words, CONTROL.arrived, 0);
    return true;
  }

  /** Waits until every thread is here. */
  #meet(words: Int32Array): void {
    const { spins } = this.#setup;
    const opened = Atomics.load(words, CONTROL.opened);
    if (this.#isLast(words)) {
      Atomics.store(words, CONTROL.opened, opened + 1);
      Atomics.notify(words, CONTROL.opened);
      return;
    }
    for (let i = 0; i < spins; i++) if (Atomics.load(words, CONTROL.opened) !== opened) return;
    while (Atomics.load(words, CONTROL.opened) === opened) Atomics.wait(words, CONTROL.opened, opened);
  }
}
