// Keeps text text: special tokens spelt out in what people and tools say are broken by a mark before a chat template puts
// its own beside them. The tokenizer takes broken ones for the characters they are spelt with, and the marks away.

import { MoloraError } from "../../proto/errors.ts";

/** What strings are marked with and against. */
export interface Guard {
  /** A character that no string to be guarded, and no control token, contains. */
  readonly mark: string;
  /**
   * The string with a mark inside everything that could become a control token, as it stands, in another case, or
   * together with what stands around it. `role`: a name that templates themselves make control tokens of
   * ("<|" + role + "|>") keeps its own characters whole.
   */
  guard(text: string, kind?: "content" | "role"): string;
  /** Only what is a control token as it stands is marked. */
  guardWhole(text: string): string;
}

/** `used`: all strings that will be guarded. No control tokens: nothing to guard against. */
export function createGuard(controlTexts: readonly string[], used: Iterable<string>): Guard | undefined {
  const tokens = controlTexts.filter((token) => token.length > 1);
  if (tokens.length === 0) return undefined;
  const mark = freeCharacter([...used, ...controlTexts]);
  // A token's first character, where its second one or the end of the string follows.
  const openings = [...new Set(tokens.map((token) => `${escaped(token[0]!)}(?=$|${escaped(token[1]!)})`))];
  const opening = new RegExp(openings.join("|"), "gi");
  const whole = new RegExp(
    [...tokens]
      .sort((a, b) => b.length - a.length)
      .map(escaped)
      .join("|"),
    "g",
  );
  const endings = new Set(tokens.flatMap((token) => Array.from(token.slice(1), (_, i) => token.slice(i + 1))));
  const longest = Math.max(...tokens.map((token) => token.length));
  const endsToken = (text: string) => {
    for (let length = Math.min(longest, text.length); length > 0; length--) {
      if (endings.has(text.slice(0, length))) return true;
    }
    return false;
  };
  const isInside = (text: string) => text !== "" && text.length < longest && tokens.some((t) => t.includes(text));
  return {
    mark,
    guard(text, kind = "content") {
      const marked = text.replace(opening, (character) => character + mark);
      return endsToken(text) || (kind === "content" && isInside(text)) ? mark + marked : marked;
    },
    guardWhole: (text) => text.replace(whole, (token) => token.slice(0, 1) + mark + token.slice(1)),
  };
}

/** Private-use characters mean nothing of their own, and there are more of them than any text is likely to use. */
function freeCharacter(texts: readonly string[]): string {
  const used = new Set(texts.flatMap((text) => text.match(/\p{Co}/gu) ?? []));
  for (let code = 0xe000; code <= 0x10fffd; code = code === 0xf8ff ? 0xf0000 : code + 1) {
    const character = String.fromCodePoint(code);
    if (!used.has(character)) return character;
  }
  throw new MoloraError("bad_request", "the texts use every private-use character there is", {
    remedy: "Leave one out.",
  });
}

function escaped(literal: string): string {
  return literal.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
}
