// What a text may be (JSON, JSON of a schema, a call of a tool), compiled for one tokenizer and kept for the next request.
// All of it happens in threads of the host's, so that nothing a schema asks for holds the engine up.

import type { AbortLike } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { Constraint } from "./constraint.ts";
import { schemaInvalid } from "./language/budget.ts";
import { tokenList } from "./matcher/token_list.ts";
import type { TokenList } from "./matcher/vocabulary.ts";
import type { Grammar } from "./schema/nodes.ts";
import type { GrammarSource } from "./schema/source.ts";
import { Compiler, cancelled } from "./threads/compiler.ts";
import { Matching } from "./threads/matching.ts";
import type { OpenGrammarThread } from "./threads/orders.ts";

export interface GrammarParts {
  /** Undefined where the host has no threads for it. */
  open: OpenGrammarThread | undefined;
  tokenizer: Tokenizer;
  /** Rows of the model's logits. */
  vocabSize: number;
  /** Ids that a row of logits has room for: adapters may have more than the model. Default: as many as rows. */
  room?: number;
}

const LONGEST_SCHEMA = 64 * 1024;
const KEPT = 32;
const NEVER = new AbortController().signal;

/** A grammar that is being compiled, for whoever waits for it. */
interface Compiling {
  grammar: Promise<Grammar>;
  waiting: number;
  abort: AbortController;
}

export class Grammars {
  readonly #compiler: Compiler | undefined;
  readonly #matching: Matching | undefined;
  readonly #tokenizer: Tokenizer;
  readonly #vocabSize: number;
  /** Tokenizers that spell the model's own tokens as it does. */
  readonly #alike = new WeakSet<Tokenizer>();
  readonly #compiling = new Map<string, Compiling>();
  /** The last grammars used, oldest first, by what the matching thread calls them. */
  readonly #kept = new Map<string, number>();

  constructor({ open, tokenizer, vocabSize, room = vocabSize }: GrammarParts) {
    this.#tokenizer = tokenizer;
    this.#vocabSize = vocabSize;
    let tokens: TokenList | undefined;
    this.#compiler = open && new Compiler(open);
    this.#matching =
      open &&
      new Matching(open, () => {
        tokens ??= tokenList(tokenizer, vocabSize, room);
        return tokens;
      });
  }

  /**
   * A constraint at the start of a text. `endIds` are allowed where the text is complete.
   * @throws MoloraError `schema_invalid` where the schema is none, cannot be kept to, or nothing fits it;
   * `schema_too_complex` where it takes too much time or memory, after two seconds at most; `cancelled` by the signal.
   */
  async begin(source: GrammarSource, endIds: readonly number[], signal: AbortLike = NEVER): Promise<Constraint> {
    if (this.#compiler === undefined || this.#matching === undefined) {
      throw new MoloraError("bad_request", "constrained decoding needs threads, which this host does not give", {
        remedy: "Leave out responseFormat and toolChoice, or run in Node.",
      });
    }
    if (signal.aborted) throw cancelled();
    const key = JSON.stringify(source);
    if (key.length > LONGEST_SCHEMA) {
      throw schemaInvalid(`it takes ${key.length} characters, at most ${LONGEST_SCHEMA} are compiled`);
    }
    const grammar = this.#kept.get(key) ?? this.#keep(key, await this.#compile(this.#compiler, key, signal));
    this.#kept.delete(key);
    this.#kept.set(key, grammar);
    return Constraint.begin(this.#matching, grammar, endIds);
  }

  /**
   * Masks are of the model's own tokens. A tokenizer that adds to them will do: what it adds is not needed to write anything.
   *
   * @throws MoloraError `bad_request` where it spells the model's own in another way
   */
  checkSpelling(tokenizer: Tokenizer): void {
    const own = this.#tokenizer;
    if (tokenizer === own || this.#alike.has(tokenizer)) return;
    const ids = Array.from({ length: Math.min(own.vocabSize, this.#vocabSize) }, (_, id) => id);
    const other = ids.find((id) => !own.specialIds.has(id) && own.tokenText(id) !== tokenizer.tokenText(id));
    if (other !== undefined) {
      const [mine, its] = [own, tokenizer].map((one) => JSON.stringify(one.tokenText(other)));
      throw new MoloraError("bad_request", `the adapter's token ${other} is ${its}, the model's is ${mine}`, {
        remedy: "Leave out responseFormat and toolChoice: grammars are kept for the model's own tokens.",
      });
    }
    this.#alike.add(tokenizer);
  }

  close(): void {
    this.#compiler?.close();
    this.#matching?.close();
  }

  /** Requests for the same grammar wait for it together; when the last of them is gone, it is given up. */
  async #compile(compiler: Compiler, key: string, signal: AbortLike): Promise<Grammar> {
    const joined = this.#compiling.get(key) ?? this.#start(compiler, key);
    joined.waiting++;
    let leave = () => {};
    const gone = new Promise<never>((_, reject) => {
      leave = () => reject(cancelled());
      if (signal.aborted) leave();
      signal.addEventListener("abort", leave, { once: true });
    });
    try {
      return await Promise.race([joined.grammar, gone]);
    } finally {
      signal.removeEventListener("abort", leave);
      if (--joined.waiting === 0) {
        joined.abort.abort();
        if (this.#compiling.get(key) === joined) this.#compiling.delete(key);
      }
    }
  }

  #start(compiler: Compiler, key: string): Compiling {
    const abort = new AbortController();
    const compiling = { grammar: compiler.compile(key, abort.signal), waiting: 0, abort };
    compiling.grammar.catch(() => {}); // Those who wait are told.
    this.#compiling.set(key, compiling);
    return compiling;
  }

  #keep(key: string, compiled: Grammar): number {
    const known = this.#kept.get(key);
    if (known !== undefined) return known; // Another request was as quick.
    const grammar = this.#matching!.keep(compiled);
    this.#kept.set(key, grammar);
    if (this.#kept.size > KEPT) {
      const [[oldest, id]] = this.#kept;
      this.#kept.delete(oldest);
      this.#matching!.forget(id);
    }
    return grammar;
  }
}
