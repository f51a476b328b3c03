// Texts under their grammars, in one thread for all, and those that have taken long in another, so that they hold up only
// each other. When an order takes too long, the thread ends, that text fails, and the others go on in a new thread from the
// tokens they have.

import { MoloraError } from "../../../proto/errors.ts";
import { tooComplex } from "../language/budget.ts";
import type { TokenList } from "../matcher/vocabulary.ts";
import type { Grammar } from "../schema/nodes.ts";
import type { OpenGrammarThread } from "./orders.ts";
import { ThreadLost, TimedThread } from "./timed_thread.ts";

/** Of one mask; well above what `MOST_STEPS` takes, since a busy machine is no reason to refuse. */
const LIMIT_MS = 2000;
/** Of reading the vocabulary. */
const VOCABULARY_MS = 30_000;
const MOST_TRIES = 3;
/** A text whose masks took longer together goes to the thread of the slow ones. */
const SLOW_MS = 1000;

export type Mask = Uint32Array<ArrayBuffer>;

interface Written {
  id: number;
  grammar: number;
  endIds: readonly number[];
  tokens: number[];
  /** The thread that knows it. */
  thread: TimedThread | undefined;
  /** What its masks took so far. */
  ms: number;
}

interface Lane {
  thread: TimedThread | undefined;
  /** Grammars the thread has. */
  posted: Set<number>;
}

export class Matching {
  readonly #open: OpenGrammarThread;
  readonly #tokens: () => TokenList;
  readonly #grammars = new Map<number, { grammar: Grammar; texts: number; kept: boolean }>();
  readonly #texts = new Map<number, Written>();
  readonly #quick: Lane = { thread: undefined, posted: new Set() };
  readonly #slow: Lane = { thread: undefined, posted: new Set() };
  #ids = 0;
  #closed = false;

  constructor(open: OpenGrammarThread, tokens: () => TokenList) {
    this.#open = open;
    this.#tokens = tokens;
  }

  /** Keeps a grammar until `forget`. Answers what it is called from now on. */
  keep(grammar: Grammar): number {
    const id = ++this.#ids;
    this.#grammars.set(id, { grammar, texts: 0, kept: true });
    return id;
  }

  /** Texts that still follow it do so until their end. */
  forget(id: number): void {
    const known = this.#grammars.get(id);
    if (known === undefined) return;
    known.kept = false;
    this.#drop(id);
  }

  /** A text begins. @throws MoloraError `schema_too_complex`, `schema_invalid`. */
  async begin(grammar: number, endIds: readonly number[]): Promise<{ text: number; mask: Mask }> {
    const text: Written = { id: ++this.#ids, grammar, endIds, tokens: [], thread: undefined, ms: 0 };
    this.#texts.set(text.id, text);
    this.#grammars.get(grammar)!.texts++;
    try {
      return { text: text.id, mask: await this.#ask(text, undefined) };
    } catch (error) {
      this.end(text.id);
      throw error;
    }
  }

  /** Undefined where the text has ended. @throws MoloraError `schema_too_complex`, `schema_invalid`. */
  async accept(id: number, token: number): Promise<Mask | undefined> {
    const text = this.#texts.get(id);
    if (text === undefined) return undefined;
    text.tokens.push(token);
    return this.#ask(text, token);
  }

  end(id: number): void {
    const text = this.#texts.get(id);
    if (text === undefined) return;
    this.#texts.delete(id);
    if (text.thread !== undefined) this.#tell(text.thread, { kind: "end", text: id });
    this.#grammars.get(text.grammar)!.texts--;
    this.#drop(text.grammar);
  }

  close(): void {
    this.#closed = true;
    for (const { thread } of [this.#quick, this.#slow]) thread?.end();
  }

  async #ask(text: Written, token: number | undefined): Promise<Mask> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const thread = this.#running(text.ms > SLOW_MS ? this.#slow : this.#quick, text.grammar);
      const knows = text.thread === thread && token !== undefined;
      const { id, grammar, endIds, tokens } = text;
      if (!knows && text.thread !== undefined) this.#tell(text.thread, { kind: "end", text: id });
      text.thread = thread;
      try {
        const answer = knows
          ? await thread.ask({ kind: "accept", text: id, token }, LIMIT_MS)
          : await thread.ask({ kind: "begin", text: id, grammar, endIds, tokens }, LIMIT_MS);
        text.ms += answer.ms;
        return answer.mask!;
      } catch (thrown) {
        if (!(thrown instanceof ThreadLost)) throw thrown;
      }
    }
    throw tooComplex("its thread ended again and again");
  }

  /** A thread that has the vocabulary and the grammar, or will before it comes to what is asked next. */
  #running(lane: Lane, grammar: number): TimedThread {
    if (this.#closed) throw new MoloraError("engine_closed", "the engine was closed");
    let { thread } = lane;
    if (thread === undefined || thread.ended) {
      thread = new TimedThread(this.#open);
      Object.assign(lane, { thread, posted: new Set() });
      this.#tell(thread, { kind: "vocabulary", list: this.#tokens() });
    }
    if (!lane.posted.has(grammar)) {
      lane.posted.add(grammar);
      this.#tell(thread, { kind: "grammar", id: grammar, grammar: this.#grammars.get(grammar)!.grammar });
    }
    return thread;
  }

  /** Nothing comes of it but its being done; where the thread is lost, the next order finds out. */
  #tell(thread: TimedThread, order: Parameters<TimedThread["ask"]>[0]): void {
    thread.ask(order, VOCABULARY_MS).catch(() => {});
  }

  #drop(id: number): void {
    const known = this.#grammars.get(id);
    if (known === undefined || known.kept || known.texts > 0) return;
    this.#grammars.delete(id);
    for (const { thread, posted } of [this.#quick, this.#slow]) {
      if (posted.delete(id) && thread !== undefined) this.#tell(thread, { kind: "forget", id });
    }
  }
}
