// Keeps text text: special tokens spelt out in what people and tools say are broken by a mark before a chat template puts
// its own beside them. The tokenizer takes broken ones for the characters they are spelt with, and the marks away.

import { MoloraError } from "../../proto/errors.ts";

/** What strings are marked against: the control tokens of one tokenizer. */
export interface Guard {
  /**
   * The string with a mark inside everything that could become a control token, as it stands, in another case, or
   * together with what stands around it. `role`: a name that templates themselves make control tokens of
   * ("<|" + role + "|>") keeps its own characters whole.
   */
  guard(text: string, mark: string, kind: "content" | "role"): string;
  /** Only what is a control token as it stands is marked. */
  guardWhole(text: string, mark: string): string;
}

const guards = new WeakMap<readonly string[], Guard>();

/** Made once for each tokenizer's list. */
export function guardAgainst(controlTexts: readonly string[]): Guard {
  let guard = guards.get(controlTexts);
  if (guard === undefined) {
    guard = createGuard(controlTexts);
    guards.set(controlTexts, guard);
  }
  return guard;
}

function createGuard(controlTexts: readonly string[]): Guard {
  const tokens = controlTexts.filter((token) => token.length > 1).sort((a, b) => b.length - a.length);
  if (tokens.length === 0) return { guard: (text) => text, guardWhole: (text) => text };
  // A token's first character, where its second one or the end of the string follows.
  const openings = new Set(tokens.map((token) => `${escaped(token[0]!)}(?=$|${escaped(token[1]!)})`));
  const opening = new RegExp([...openings].join("|"), "gi");
  const whole = new RegExp(tokens.map(escaped).join("|"), "g");
  const endings = new Set(tokens.flatMap((token) => Array.from(token.slice(1), (_, i) => token.slice(i + 1))));
  const longest = tokens[0]!.length;
  const endsToken = (text: string) => {
    for (let length = Math.min(longest, text.length); length > 0; length--) {
      if (endings.has(text.slice(0, length))) return true;
    }
    return false;
  };
  const isInside = (text: string) => text !== "" && text.length < longest && tokens.some((t) => t.includes(text));
  return {
    guard(text, mark, kind) {
      const marked = text.replace(opening, (character) => character + mark);
      return endsToken(text) || (kind === "content" && isInside(text)) ? mark + marked : marked;
    },
    guardWhole: (text, mark) => text.replace(whole, (token) => token.slice(0, 1) + mark + token.slice(1)),
  };
}

/**
 * A character that none of the texts contains. Private-use characters mean nothing of their own, and there are more of
 * them than any text is likely to use.
 *
 * @throws MoloraError `bad_request` where they are all used.
 */
export function freeCharacter(texts: readonly string[]): string {
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
