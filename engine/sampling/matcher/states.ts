// Sets of threads as states, and where bytes lead from each: worked out once, then looked up. Memory is bounded: when
// there are too many, all are forgotten and made anew as they are needed.

import { tooComplex } from "../language/budget.ts";
import type { Thread } from "./threads.ts";
import { Threads } from "./threads.ts";
import { MOST_THREADS, type Walker } from "./walker.ts";

/** No text goes on from here. */
export const NOWHERE = -1;
const UNKNOWN = -2;

const MOST_STATES = 8192;
const MOST_PARTS = 100_000;
/** A state takes the memory of so many parts. */
const PARTS_OF_STATE = 8;
/** Steps of threads that one mask may take: well under a second. */
const MOST_STEPS = 200_000;

export interface State {
  index: number;
  threads: readonly Thread[];
  /** By byte: a state's index, NOWHERE or UNKNOWN. */
  to: Int32Array;
  /** The text may end here. */
  done: boolean;
  /** Tokens that may come next. */
  mask: Uint32Array | undefined;
  /** Those of them that states like it share. */
  shared: Uint32Array | undefined;
}

export class States {
  readonly walker: Walker;
  #known = new Map<string, number>();
  #states: State[] = [];
  #steps = 0;

  constructor(walker: Walker) {
    this.walker = walker;
  }

  at(index: number): State {
    return this.#states[index];
  }

  /** To be called before a piece of work; states of before it may be gone. */
  begin(): void {
    this.#steps = 0;
    if (this.#states.length > MOST_STATES || this.walker.threads.size > MOST_PARTS) this.forget();
  }

  /** States and their parts, in parts. */
  get kept(): number {
    return this.walker.threads.size + this.#states.length * PARTS_OF_STATE;
  }

  forget(): void {
    this.#known.clear();
    this.#states = [];
    this.walker.threads = new Threads(this.walker.threads.next);
  }

  /** @throws MoloraError `schema_too_complex` where a text may be in too many places at once. */
  of(threads: readonly Thread[]): State {
    const unique = [...new Set(threads)].sort((a, b) => a.id - b.id);
    if (unique.length > MOST_THREADS) throw tooComplex("too many of its alternatives begin alike");
    const key = unique.map(({ id }) => id).join();
    const known = this.#known.get(key);
    if (known !== undefined) return this.#states[known];
    const state: State = {
      index: this.#states.length,
      threads: unique,
      to: new Int32Array(256).fill(UNKNOWN),
      done: unique.some(({ kind }) => kind === "done"),
      mask: undefined,
      shared: undefined,
    };
    this.#known.set(key, state.index);
    this.#states.push(state);
    return state;
  }

  /** Index of the state after a byte, or NOWHERE. @throws MoloraError `schema_too_complex` where it takes too long. */
  after(state: State, byte: number): number {
    const found = state.to[byte];
    if (found !== UNKNOWN) return found;
    this.#steps += state.threads.length;
    if (this.#steps > MOST_STEPS) throw tooComplex("telling which tokens may follow takes too long");
    const out: Thread[] = [];
    for (const thread of state.threads) this.walker.step(thread, byte, out);
    const to = out.length === 0 ? NOWHERE : this.of(out).index;
    state.to[byte] = to;
    return to;
  }
}
