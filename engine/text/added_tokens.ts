// Finds tokens that stand in a text as they are spelt: a text becomes stretches of text and the tokens between them.

import type { AddedToken } from "./spec.ts";

/** A stretch of text, or a token. `first`: nothing stood before it. */
export type Section = { text: string; first: boolean } | { id: number };

export interface Sought {
  id: number;
  /** What is looked for: the token's text, normalized where the token is sought in normalized text. */
  text: string;
  /** The token takes the white space before it, or behind it. */
  lstrip: boolean;
  rstrip: boolean;
}

export function sought(token: AddedToken, text = token.content): Sought {
  return { id: token.id, text, lstrip: token.lstrip === true, rstrip: token.rstrip === true };
}

/** Of tokens that begin at one place the longest is found, and the search goes on behind it. */
export class TokenFinder {
  readonly #pattern: RegExp | undefined;
  readonly #tokens: ReadonlyMap<string, Sought>;

  constructor(tokens: readonly Sought[]) {
    this.#tokens = new Map(tokens.map((token) => [token.text, token]));
    const texts = [...this.#tokens.keys()].sort((a, b) => b.length - a.length);
    this.#pattern = texts.length === 0 ? undefined : new RegExp(texts.map(escaped).join("|"), "g");
  }

  /** No section is an empty text. */
  *find(text: string): Generator<Section, void> {
    if (this.#pattern === undefined) {
      if (text !== "") yield { text, first: true };
      return;
    }
    let done = 0;
    let first = true;
    let stripNext = false;
    const between = (end: number, stripEnd: boolean): string => {
      const raw = text.slice(done, end);
      const left = stripNext ? raw.replace(/^\p{White_Space}+/u, "") : raw;
      return stripEnd ? withoutSpaceBehind(left) : left;
    };
    for (const { 0: match, index } of text.matchAll(this.#pattern)) {
      const token = this.#tokens.get(match)!;
      const before = between(index, token.lstrip);
      if (before !== "") yield { text: before, first };
      yield { id: token.id };
      first = false;
      stripNext = token.rstrip;
      done = index + match.length;
    }
    const rest = between(text.length, false);
    if (rest !== "") yield { text: rest, first };
  }
}

/** White space is Unicode's: JavaScript's own trimming takes U+FEFF for one, and U+0085 for none. */
function withoutSpaceBehind(text: string): string {
  let end = text.length;
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}

function escaped(literal: string): string {
  return literal.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
}
