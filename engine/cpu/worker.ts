// One thread of the CPU device: takes items of the commands in shared memory until a list is done, then sleeps.
// How threads are started is the host's matter.

import { COMMAND, COMMAND_WORDS, CONTROL } from "./control.ts";
import { type Body, instantiate, type KernelModule, type SharedMemory } from "./module.ts";

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
    const { memory } = this.#setup;
    if (this.#words.byteLength !== memory.buffer.byteLength) this.#words = new Int32Array(memory.buffer);
    const words = this.#words;
    const end = words[CONTROL.list] / 4 + words[CONTROL.commands] * COMMAND_WORDS;
    if (end > words.length) throw new RangeError("the list of commands lies beyond this thread's view of the memory");
    let at = words[CONTROL.list] / 4;
    while (at < end) {
      this.#takeItems(words, at);
      const meets = words[at + COMMAND.barrier] === 1;
      at += COMMAND_WORDS;
      if (meets) at = this.#meet(words, at, end);
    }
    this.turnsDone = turn;
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

  /**
   * Waits until every thread is here; the last one first computes what stands alone behind the barrier, and behind the last
   * command it tells the device. Gives where to go on.
   */
  #meet(words: Int32Array, at: number, end: number): number {
    const { threads, spins } = this.#setup;
    // All is read before this thread has arrived: behind the last barrier the device may write its next list at once.
    const opened = Atomics.load(words, CONTROL.opened);
    let next = at;
    while (next < end && words[next + COMMAND.alone] === 1) next += COMMAND_WORDS;
    if (Atomics.add(words, CONTROL.arrived, 1) === threads - 1) {
      for (let alone = at; alone < next; alone += COMMAND_WORDS) this.#takeItems(words, alone);
      Atomics.store(words, CONTROL.arrived, 0);
      const counter = next < end ? CONTROL.opened : CONTROL.done;
      Atomics.add(words, counter, 1);
      Atomics.notify(words, counter);
      return next;
    }
    if (next === end) return next;
    for (let i = 0; i < spins; i++) if (Atomics.load(words, CONTROL.opened) !== opened) return next;
    while (Atomics.load(words, CONTROL.opened) === opened) Atomics.wait(words, CONTROL.opened, opened);
    return next;
  }
}
