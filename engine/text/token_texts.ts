// How each id of a tokenizer is spelt: its model's vocabulary, and the tokens that were added to it or took the place of others.

import type { TokenTable } from "./token_table.ts";

export class TokenTexts {
  /** One more than the highest id. */
  readonly length: number;
  /** UTF-16 units of the longest token. */
  readonly longest: number;
  readonly #vocabulary: TokenTable;
  readonly #changed: ReadonlyMap<number, string>;
  readonly #changedIds: ReadonlyMap<string, number>;

  constructor(vocabulary: TokenTable, changed: ReadonlyMap<number, string>) {
    this.#vocabulary = vocabulary;
    this.#changed = changed;
    this.#changedIds = new Map([...changed].map(([id, text]) => [text, id]));
    let { size: length, longest } = vocabulary;
    for (const [id, text] of changed) {
      length = Math.max(length, id + 1);
      longest = Math.max(longest, text.length);
    }
    this.length = length;
    this.longest = longest;
  }

  /** Undefined where the id has no token. */
  at(id: number): string | undefined {
    return this.#changed.get(id) ?? this.#vocabulary.textOf(id);
  }

  /** Added tokens go before those of the vocabulary. */
  idOf(text: string): number | undefined {
    const added = this.#changedIds.get(text);
    if (added !== undefined) return added;
    const id = this.#vocabulary.idOf(text);
    return id !== undefined && (this.#changed.get(id) ?? text) === text ? id : undefined;
  }

  /** With more tokens added or changed. */
  changed(more: ReadonlyMap<number, string>): TokenTexts {
    return new TokenTexts(this.#vocabulary, new Map([...this.#changed, ...more]));
  }
}
