// Generated token ids to text, as they come: whole characters only, and nothing that may yet turn out a stop string.

import { type Passed, StopStrings } from "./stop_strings.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface DetokenizerOptions {
  /** The text ends before any of these would appear in it. */
  stop?: readonly string[];
  /** Leave special tokens out. Default: true. */
  skipSpecial?: boolean;
  /** The ids continue other text (a prompt), see DecodeOptions. Default: true. */
  continuation?: boolean;
}

/**
 * All texts of `push` and `flush` joined are `tokenizer.decode` of the ids, up to the first stop string. Time per token
 * does not depend on how many came before.
 */
export class Detokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #skipSpecial: boolean;
  readonly #stopStrings: StopStrings;
  /** Keeps the bytes of an unfinished character. */
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #trimNext: boolean;
  #stopped: string | undefined;

  /** @throws MoloraError `bad_request` for a stop string that can never be found. */
  constructor(tokenizer: Tokenizer, options: DetokenizerOptions = {}) {
    this.#tokenizer = tokenizer;
    this.#skipSpecial = options.skipSpecial ?? true;
    this.#stopStrings = new StopStrings(options.stop ?? []);
    this.#trimNext = tokenizer.trimsLeadingSpace && !(options.continuation ?? true);
  }

  /** Text that became readable with this token. Once `stopped` is set, what follows is ignored. */
  push(id: number): Passed {
    if (this.#skipSpecial && this.#tokenizer.specialIds.has(id)) return this.#pass("");
    return this.#pass(this.#decoder.decode(this.#tokenizer.idBytes(id), { stream: true }));
  }

  /** The rest, at the end of generation: what was held back, and U+FFFD for an unfinished character. */
  flush(): string {
    const { text } = this.#pass(this.#decoder.decode());
    return this.#stopped === undefined ? text + this.#stopStrings.flush() : text;
  }

  #pass(text: string): Passed {
    if (this.#stopped !== undefined) return { text: "", stopped: this.#stopped };
    const passed = this.#stopStrings.push(this.#trim(text));
    this.#stopped = passed.stopped;
    return passed;
  }

  #trim(text: string): string {
    if (!this.#trimNext || text === "") return text;
    this.#trimNext = false;
    return text.startsWith(" ") ? text.slice(1) : text;
  }
}
