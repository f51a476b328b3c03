// The decimals that lie within bounds and are multiples, digit by digit. Comparing happens as schoolchildren do it: by
// the number of digits before the point, then by the first digit that differs.

import { type Automaton, DEAD, type Edge, table } from "./automaton.ts";
import type { Budget } from "./budget.ts";
import { words } from "./combine.ts";
import { type Decimal, decimalOf, neighbour, scaled, significantDigits } from "./decimal.ts";

export interface NumberBounds {
  integer: boolean;
  min: number | undefined;
  max: number | undefined;
  exclusiveMin: number | undefined;
  exclusiveMax: number | undefined;
  multiplesOf: readonly number[];
}

/**
 * Two decimals of so many digits never read as the same number, so that comparing their digits compares the numbers.
 * 64-bit integers have more digits; they are compared inclusively only.
 */
const EXACT_DIGITS = 15;
const LONGEST_INTEGER = 19;
/** Ranges of at most so many multiples of a fraction are spelt out. */
const SPELT_OUT = 512;

interface Bound {
  decimal: Decimal;
  inclusive: boolean;
  /** 1: the number is not below it; -1: not above. */
  side: 1 | -1;
}

type Phase = "start" | "sign" | "zero" | "whole" | "point" | "fraction" | "e" | "eSign" | "exponent";

interface Reading {
  phase: Phase;
  negative: boolean;
  nonzero: boolean;
  /** Digits before and after the point; in an exponent `after` counts its digits. */
  before: number;
  after: number;
  /** What was read, compared with each bound's digits: -1, 0, 1. */
  compared: readonly number[];
  /** Of the digits read so far, by each divisor. */
  remainders: readonly number[];
}

/** @throws MoloraError `schema_too_complex` for a divisor of too many digits. */
export function numberAutomaton(asked: NumberBounds, budget: Budget): Automaton {
  const bounds = boundsOf(asked);
  const listed = spelt(asked, bounds);
  if (listed !== undefined) return words(listed, budget);
  return explore(new Digits(asked, bounds), budget);
}

function boundsOf({ min, max, exclusiveMin, exclusiveMax }: NumberBounds): Bound[] {
  return [
    bound(min, true, 1),
    bound(exclusiveMin, false, 1),
    bound(max, true, -1),
    bound(exclusiveMax, false, -1),
  ].flat();
}

function bound(value: number | undefined, inclusive: boolean, side: 1 | -1): Bound[] {
  if (value === undefined) return [];
  const decimal = decimalOf(value);
  if (inclusive || significantDigits(decimal) <= EXACT_DIGITS) return [{ decimal, inclusive, side }];
  return [{ decimal: decimalOf(neighbour(value, side)), inclusive: true, side }];
}

/** Dividing fractions is inexact: where the multiples are few, those that a validator's division would refuse are left out. */
function spelt({ min, max, exclusiveMin, exclusiveMax, multiplesOf, integer }: NumberBounds, bounds: readonly Bound[]) {
  const [of] = multiplesOf;
  const least = Math.max(min ?? Number.NEGATIVE_INFINITY, exclusiveMin ?? Number.NEGATIVE_INFINITY);
  const most = Math.min(max ?? Number.POSITIVE_INFINITY, exclusiveMax ?? Number.POSITIVE_INFINITY);
  if (of === undefined || Number.isInteger(of) || integer || bounds.length < 2) return undefined;
  const first = Math.floor(least / of) - 1;
  const last = Math.ceil(most / of) + 1;
  if (!(last - first <= SPELT_OUT)) return undefined;
  const { units, places } = scaled(of);
  const values = Array.from({ length: last - first + 1 }, (_, i) => Number(`${(first + i) * units}e-${places}`));
  return values
    .filter((value) => value >= (min ?? value) && value <= (max ?? value))
    .filter(
      (value) =>
        value > (exclusiveMin ?? Number.NEGATIVE_INFINITY) && value < (exclusiveMax ?? Number.POSITIVE_INFINITY),
    )
    .filter((value) => multiplesOf.every((divisor) => Number.isInteger(value / divisor)))
    .map((value) => {
      const { negative, whole, fraction } = decimalOf(value);
      return `${negative ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`;
    });
}

class Digits {
  readonly #bounds: readonly Bound[];
  readonly #divisors: readonly { units: number; places: number }[];
  readonly #longestWhole: number;
  readonly #longestFraction: number;
  readonly #places: number;
  readonly #exponents: boolean;

  constructor({ integer, multiplesOf }: NumberBounds, bounds: readonly Bound[]) {
    const divisors = multiplesOf.map(scaled);
    const free = integer && multiplesOf.length === 0 ? LONGEST_INTEGER : EXACT_DIGITS;
    const wholes = bounds.map(({ decimal }) => decimal.whole.length);
    const isBounded = [1, -1].every((side) => bounds.some((found) => found.side === side));
    this.#bounds = bounds;
    this.#divisors = divisors;
    this.#longestWhole = isBounded ? Math.max(...wholes) : Math.max(free, ...wholes.map((length) => length + 1));
    this.#places = Math.max(0, ...bounds.map(({ decimal }) => decimal.fraction.length));
    this.#longestFraction = integer ? 0 : Math.min(...divisors.map(({ places }) => places), Number.POSITIVE_INFINITY);
    this.#exponents = !integer && bounds.length === 0 && divisors.length === 0;
  }

  get start(): Reading {
    return {
      phase: "start",
      negative: false,
      nonzero: false,
      before: 0,
      after: 0,
      compared: this.#bounds.map(() => 0),
      remainders: this.#divisors.map(() => 0),
    };
  }

  read(at: Reading, char: string): Reading | undefined {
    const isDigit = char >= "0" && char <= "9";
    switch (at.phase) {
      case "start":
        if (char === "-") return { ...at, phase: "sign", negative: true };
        return isDigit ? this.#whole(at, char) : undefined;
      case "sign":
        return isDigit ? this.#whole(at, char) : undefined;
      case "zero":
      case "whole":
        if (isDigit) {
          return at.phase === "whole" && at.before < this.#longestWhole ? this.#whole(at, char) : undefined;
        }
        if (char === "." && this.#longestFraction > 0) return { ...this.#settled(at), phase: "point" };
        return this.#exponent(at, char);
      case "point":
      case "fraction":
        if (!isDigit) return at.phase === "point" ? undefined : this.#exponent(at, char);
        return at.after < this.#mostAfter(at) ? this.#fraction(at, char) : undefined;
      case "e":
        if (char === "+" || char === "-") return { ...at, phase: "eSign" };
        return isDigit ? { ...at, phase: "exponent", after: 1 } : undefined;
      case "eSign":
        return isDigit ? { ...at, phase: "exponent", after: 1 } : undefined;
      case "exponent":
        return isDigit && at.after < 2 ? { ...at, after: 2 } : undefined;
    }
  }

  /** Whether what was read is one of the numbers. There is no -0. */
  ends(at: Reading): boolean {
    if (!["zero", "whole", "fraction", "exponent"].includes(at.phase) || (at.negative && !at.nonzero)) return false;
    const settled = at.phase === "fraction" ? at : this.#settled(at);
    const divides = this.#divisors.every(
      ({ units, places }, i) => (at.remainders[i] * 10 ** (places - settled.after)) % units === 0,
    );
    return divides && this.#bounds.every((found, i) => within(settled, found, settled.compared[i]));
  }

  #exponent(at: Reading, char: string): Reading | undefined {
    if (!this.#exponents || (char !== "e" && char !== "E")) return undefined;
    return { ...at, phase: "e", before: 0, after: 0 };
  }

  #mostAfter({ before }: Reading): number {
    return Math.min(this.#longestFraction, Math.max(this.#places, EXACT_DIGITS - before));
  }

  #whole(at: Reading, char: string): Reading {
    const compared = this.#bounds.map(({ decimal: { whole } }, i) => {
      if (at.before >= whole.length) return 1;
      return at.compared[i] !== 0 ? at.compared[i] : Math.sign(Number(char) - Number(whole[at.before]));
    });
    const phase = at.phase !== "whole" && char === "0" ? "zero" : "whole";
    return { ...this.#digit(at, char), phase, before: at.before + 1, compared };
  }

  #fraction(at: Reading, char: string): Reading {
    const compared = this.#bounds.map(({ decimal: { fraction } }, i) =>
      at.compared[i] !== 0 ? at.compared[i] : Math.sign(Number(char) - Number(fraction[at.after] ?? "0")),
    );
    return { ...this.#digit(at, char), phase: "fraction", after: at.after + 1, compared };
  }

  #digit(at: Reading, char: string): Reading {
    const remainders = this.#divisors.map(({ units }, i) => (at.remainders[i] * 10 + Number(char)) % units);
    return { ...at, nonzero: at.nonzero || char !== "0", remainders };
  }

  /** No more digits before the point: fewer than a bound has are less. */
  #settled(at: Reading): Reading {
    if (at.phase === "exponent") return at;
    const compared = this.#bounds.map(({ decimal }, i) => (at.before < decimal.whole.length ? -1 : at.compared[i]));
    return { ...at, compared };
  }
}

function within(at: Reading, { decimal, inclusive, side }: Bound, compared: number): boolean {
  const isZero = decimal.whole === "0" && decimal.fraction === "";
  let order: number;
  if (at.negative !== decimal.negative && !(isZero && !at.negative)) order = at.negative ? -1 : 1;
  else {
    const size = compared === 0 && /[1-9]/.test(decimal.fraction.slice(at.after)) ? -1 : compared;
    order = at.negative ? -size : size;
  }
  return order === 0 ? inclusive : order === side;
}

function keyOf({ phase, negative, nonzero, before, after, compared, remainders }: Reading): string {
  return `${phase} ${negative} ${nonzero} ${before} ${after} ${compared} ${remainders}`;
}

const CHARACTERS = "+-.0123456789Ee";

function explore(digits: Digits, budget: Budget): Automaton {
  const readings = [digits.start];
  const known = new Map<string, number>();
  const edges: Edge[][] = [];
  for (let q = 0; q < readings.length; q++) {
    const out: Edge[] = [];
    for (const char of CHARACTERS) {
      const read = digits.read(readings[q], char);
      if (read === undefined) continue;
      budget.spend(10);
      const key = keyOf(read);
      let target = known.get(key) ?? DEAD;
      if (target === DEAD) {
        target = readings.push(read) - 1;
        budget.states(target, "the bounds of a number");
        known.set(key, target);
      }
      const point = char.charCodeAt(0);
      out.push([point, point, target]);
    }
    edges.push(out);
  }
  return table(
    edges,
    readings.map((reading) => digits.ends(reading)),
    budget,
  );
}
