// One string or number being written, byte by byte: UTF-8 put together to characters, and in strings JSON's escapes.
// Each character has one spelling: only what JSON wants escaped is, so that equal strings are equal bytes.

import { type Automaton, accepts, DEAD, edgesOf, next, nextOfAll, type Table } from "../language/automaton.ts";
import { countTexts } from "../language/combine.ts";

/** Where in a character the text is. */
export type Place =
  /** Between characters. */
  | { kind: "between" }
  /** `left` bytes more, whatever they are, and the character leads to `target`. */
  | { kind: "tail"; target: number; left: number }
  /** Its code point begins with `bits`; `left` bytes of `length` are to come. */
  | { kind: "bytes"; bits: number; left: number; length: number }
  /** After a backslash. */
  | { kind: "escape" }
  /** After \u and so many digits. */
  | { kind: "digits"; count: number; value: number };

export const BETWEEN: Place = { kind: "between" };
const ESCAPE: Place = { kind: "escape" };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SHORT: ReadonlyMap<number, number> = new Map(
  ([...'"\\bfnrt'] as const).map((letter, i) => [letter.charCodeAt(0), [QUOTE, BACKSLASH, 8, 12, 10, 13, 9][i]]),
);
const SHORT_POINTS = [...SHORT.values()];
/** Control characters that have no letter of their own. */
const LONG_POINTS = Array.from({ length: 32 }, (_, point) => point).filter((point) => !SHORT_POINTS.includes(point));
const LEAST_OF_LENGTH = [0, 0, 0x80, 0x800, 0x10000];

export class Lexeme {
  readonly automaton: Automaton;
  readonly quoted: boolean;
  #counts: Float64Array | undefined;

  constructor(automaton: Automaton, quoted: boolean) {
    this.automaton = automaton;
    this.quoted = quoted;
  }

  accepts(state: number): boolean {
    return accepts(this.automaton, state);
  }

  /** Whether a character may follow. */
  goesOn(state: number): boolean {
    const { automaton } = this;
    if (automaton.kind === "count") return state < automaton.max;
    return automaton.offsets[state + 1] > automaton.offsets[state];
  }

  /** State and place after a byte, or undefined where it does not fit. The quote at a string's end is not read here. */
  read(state: number, place: Place, byte: number): [state: number, place: Place] | undefined {
    switch (place.kind) {
      case "between":
        return this.#begin(state, byte);
      case "tail":
        if ((byte & 0xc0) !== 0x80) return undefined;
        return place.left === 1 ? [place.target, BETWEEN] : [state, { ...place, left: place.left - 1 }];
      case "bytes":
        if ((byte & 0xc0) !== 0x80) return undefined;
        return this.#bytes(state, (place.bits << 6) | (byte & 0x3f), place.left - 1, place.length);
      case "escape":
        if (byte === 0x75) return this.#digits(state, 0, 0);
        return this.#arrive(state, SHORT.get(byte));
      case "digits":
        return this.#digits(state, place.count + 1, place.value * 16 + hex(byte));
    }
  }

  /** How many texts lead on from here, at least; what is being written of a character taken into account. */
  texts(state: number, place: Place): number {
    const { automaton } = this;
    if (automaton.kind === "count")
      return place.kind === "between" && state >= automaton.max ? 1 : Number.POSITIVE_INFINITY;
    this.#counts ??= countTexts(automaton as Table);
    const counts = this.#counts;
    const among = (points: readonly number[]) =>
      points.reduce((sum, point) => {
        const target = next(automaton, state, point);
        return target === DEAD ? sum : sum + counts[target];
      }, 0);
    switch (place.kind) {
      case "between":
        return counts[state];
      case "tail":
        return counts[place.target] * 64 ** place.left;
      case "bytes": {
        const from = place.bits << (6 * place.left);
        const to = from + (1 << (6 * place.left)) - 1;
        return edgesOf(automaton, state).reduce((sum, [first, last, target]) => {
          const width = Math.min(last, to) - Math.max(first, from) + 1;
          return width > 0 ? sum + width * counts[target] : sum;
        }, 0);
      }
      case "escape":
        return among([...SHORT_POINTS, ...LONG_POINTS]);
      case "digits":
        return among(LONG_POINTS.filter((point) => beginsWith(point, place.count, place.value)));
    }
  }

  #begin(state: number, byte: number): [number, Place] | undefined {
    if (byte < 0x80) {
      if (!this.quoted || (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH)) return this.#arrive(state, byte);
      const escapes =
        byte === BACKSLASH && [...SHORT_POINTS, ...LONG_POINTS].some((point) => this.#leads(state, point));
      return escapes ? [state, ESCAPE] : undefined;
    }
    if (byte >= 0xc2 && byte <= 0xdf) return this.#bytes(state, byte & 0x1f, 1, 2);
    if (byte >= 0xe0 && byte <= 0xef) return this.#bytes(state, byte & 0x0f, 2, 3);
    if (byte >= 0xf0 && byte <= 0xf4) return this.#bytes(state, byte & 0x07, 3, 4);
    return undefined;
  }

  #bytes(state: number, bits: number, left: number, length: number): [number, Place] | undefined {
    if (left === 0) return this.#arrive(state, bits >= LEAST_OF_LENGTH[length] ? bits : undefined);
    const least = bits << (6 * left);
    const most = least + (1 << (6 * left)) - 1;
    const from = Math.max(least, LEAST_OF_LENGTH[length]);
    const to = Math.min(most, 0x10ffff);
    if (from > to || (from >= 0xd800 && to <= 0xdfff)) return undefined;
    const target = nextOfAll(this.automaton, state, from, to);
    if (target === DEAD) return undefined;
    const isWhole = from === least && to === most && (to < 0xd800 || from > 0xdfff);
    if (target !== undefined && isWhole) return [state, { kind: "tail", target, left }];
    return [state, { kind: "bytes", bits, left, length }];
  }

  #digits(state: number, count: number, value: number): [number, Place] | undefined {
    if (Number.isNaN(value)) return undefined;
    if (count === 4) return this.#arrive(state, LONG_POINTS.includes(value) ? value : undefined);
    const leads = LONG_POINTS.some((point) => beginsWith(point, count, value) && this.#leads(state, point));
    return leads ? [state, { kind: "digits", count, value }] : undefined;
  }

  #arrive(state: number, point: number | undefined): [number, Place] | undefined {
    if (point === undefined || (point >= 0xd800 && point <= 0xdfff) || point > 0x10ffff) return undefined;
    const target = next(this.automaton, state, point);
    return target === DEAD ? undefined : [target, BETWEEN];
  }

  #leads(state: number, point: number): boolean {
    return next(this.automaton, state, point) !== DEAD;
  }
}

function beginsWith(point: number, count: number, value: number): boolean {
  return point >> (4 * (4 - count)) === value;
}

/** Lower-case digits only. */
function hex(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  return byte >= 0x61 && byte <= 0x66 ? byte - 0x61 + 10 : Number.NaN;
}
