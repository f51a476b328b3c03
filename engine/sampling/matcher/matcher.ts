// A compiled grammar over a vocabulary, and texts that are being written under it: which tokens may come next.

import { type Automaton, NEAR } from "../language/automaton.ts";
import type { Grammar } from "../schema/nodes.ts";
import { BETWEEN } from "./lexeme.ts";
import { NOWHERE, type State, States } from "./states.ts";
import type { Thread } from "./threads.ts";
import type { Vocabulary } from "./vocabulary.ts";
import { Walker } from "./walker.ts";

/** The places a text may be in; what a matcher needs to go on. */
export interface Text {
  threads: readonly Thread[];
  /** Bytes since the last opening quote; undefined outside strings. */
  string: number[] | undefined;
  escaped: boolean;
}

export class Matcher {
  readonly #vocabulary: Vocabulary;
  readonly #states: States;
  readonly #stack: Int32Array;

  constructor(grammar: Grammar, vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#states = new States(new Walker(grammar));
    this.#stack = new Int32Array(vocabulary.longest + 1);
  }

  /** Parts kept for the next mask: states and what they are made of. */
  get kept(): number {
    return this.#states.kept;
  }

  forget(): void {
    this.#states.forget();
  }

  begin(): Text {
    this.#states.begin();
    return { threads: this.#states.walker.start(), string: undefined, escaped: false };
  }

  /** The text with a token more, or undefined where it does not fit. */
  accept(text: Text, id: number): Text | undefined {
    this.#states.begin();
    let { threads } = text;
    const string = text.string === undefined ? undefined : [...text.string];
    const after: Text = { threads, string, escaped: text.escaped };
    for (const byte of this.#vocabulary.bytesOf(id)) {
      const to = this.#states.after(this.#states.of(threads), byte);
      if (to === NOWHERE) return undefined;
      threads = this.#states.at(to).threads;
      const name = readByte(after, byte);
      if (name === undefined) continue;
      threads = threads.map((thread) => this.#states.walker.named(thread, name));
    }
    after.threads = threads;
    return after;
  }

  /**
   * One bit a token id (bit i of word w: id 32·w + i): which tokens the text can go on with. `endIds` are allowed where
   * it is complete, and only there.
   *
   * @throws MoloraError `schema_too_complex` where that takes too long to tell.
   */
  mask(text: Text, endIds: readonly number[]): Uint32Array<ArrayBuffer> {
    this.#states.begin();
    const state = this.#states.of(text.threads);
    state.mask ??= this.#exact(state);
    const mask = Uint32Array.from(state.mask);
    for (const id of endIds) {
      if (state.done) mask[id >> 5] |= 1 << (id & 31);
      else mask[id >> 5] &= ~(1 << (id & 31));
    }
    return mask;
  }

  /** Of the state itself: what is shared with states like it, and the long tokens. */
  #exact(state: State): Uint32Array {
    const like = this.#states.of(state.threads.map((thread) => this.#nearest(thread)));
    like.shared ??= this.#walk(like);
    const mask = Uint32Array.from(like.shared);
    for (const id of this.#vocabulary.long) {
      let at = state.index;
      for (const byte of this.#vocabulary.bytesOf(id)) {
        at = this.#states.after(this.#states.at(at), byte);
        if (at === NOWHERE) break;
      }
      if (at !== NOWHERE) mask[id >> 5] |= 1 << (id & 31);
    }
    return mask;
  }

  #walk(start: State): Uint32Array {
    const { nodes, byte, depth, skip, starts, tokens, words } = this.#vocabulary;
    const mask = new Uint32Array(words);
    const states = this.#states;
    const stack = this.#stack;
    stack[0] = start.index;
    for (let n = 0; n < nodes; ) {
      const level = depth[n];
      const to = states.after(states.at(stack[level - 1]), byte[n]);
      if (to === NOWHERE) {
        n = skip[n];
        continue;
      }
      stack[level] = to;
      for (let t = starts[n]; t < starts[n + 1]; t++) mask[tokens[t] >> 5] |= 1 << (tokens[t] & 31);
      n++;
    }
    return mask;
  }

  /**
   * A string far from its least and most length is like any other that is: no token of the tree gets it there. So a long
   * count costs what a short one does.
   */
  #nearest(thread: Thread): Thread {
    if (thread.kind !== "lexeme" || thread.state === undefined || thread.place !== BETWEEN) return thread;
    // Names that are taken are told apart by how many are left.
    if (thread.name?.seen !== undefined) return thread;
    const state = nearest(thread.lexeme.automaton, thread.state);
    return state === thread.state ? thread : this.#states.walker.threads.thread({ ...thread, state });
  }
}

/** The first state that no token of the tree tells from this one. */
function nearest(automaton: Automaton, state: number): number {
  if (automaton.kind === "table") return automaton.alike?.[state] ?? state;
  const { min, max } = automaton;
  if (max - state <= NEAR || (state < min && min - state <= NEAR)) return state;
  return state < min ? 0 : min;
}

/** Follows JSON's strings through the text. What the string just closed holds, as it is spelt. */
function readByte(text: Text, byte: number): Uint8Array | undefined {
  if (text.string === undefined) {
    if (byte === 0x22) text.string = [];
    return undefined;
  }
  if (!text.escaped && byte === 0x22) {
    const closed = Uint8Array.from(text.string);
    text.string = undefined;
    return closed;
  }
  text.string.push(byte);
  text.escaped = !text.escaped && byte === 0x5c;
  return undefined;
}
