// What a grammar thread is asked and what it answers: one answer an order, in their order.

import type { ErrorCode } from "../../../proto/errors.ts";
import type { TokenList } from "../matcher/vocabulary.ts";
import type { Grammar } from "../schema/nodes.ts";

export type Order =
  /** Answered with the grammar. `source`: JSON of a GrammarSource; a text, since it is the schema as it came. */
  | { kind: "compile"; source: string }
  | { kind: "vocabulary"; list: TokenList }
  | { kind: "grammar"; id: number; grammar: Grammar }
  /** Texts under way keep it. */
  | { kind: "forget"; id: number }
  /** A text of these tokens. Answered with the mask of what may come next. */
  | { kind: "begin"; text: number; grammar: number; endIds: readonly number[]; tokens: readonly number[] }
  /** Answered with the mask of what may come after the token. */
  | { kind: "accept"; text: number; token: number }
  | { kind: "end"; text: number };

export type Answer =
  | { kind: "ready" }
  /** `ms`: how long it took. */
  | { kind: "done"; ms: number; grammar?: Grammar; mask?: Uint32Array<ArrayBuffer> }
  | { kind: "failed"; code: ErrorCode; message: string; remedy: string | undefined };

/** A thread as the host opens it. */
export interface GrammarThread {
  post(order: Order): void;
  /** Ends it at once, whatever it does. */
  end(): void;
}

export interface ThreadEvents {
  answer(answer: Answer): void;
  /** It ended by itself: it ran out of memory, or could not start. */
  lost(reason: string): void;
}

/** Opens a thread that serves grammars (`serveGrammars`), with a limit to its memory. Its first answer is `ready`. */
export type OpenGrammarThread = (events: ThreadEvents) => GrammarThread;
