// Strings and numbers of schemas that hold together, as automata.

import { ANY_TEXT, type Automaton, isEmpty } from "../language/automaton.ts";
import { type Budget, schemaInvalid } from "../language/budget.ts";
import { both } from "../language/combine.ts";
import { formatPattern, isNote, numberFormat } from "../language/formats.ts";
import { type NumberBounds, numberAutomaton } from "../language/numbers.ts";
import { patternAutomaton } from "../language/pattern.ts";
import type { Together } from "./alternatives.ts";

/** Automata of patterns by their source: schemas repeat them. */
export class Scalars {
  readonly #budget: Budget;
  readonly #patterns = new Map<string, Automaton>();
  /** Automata of numbers by their bounds. */
  readonly #numbers = new Map<string, Automaton>();

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** @throws MoloraError `schema_invalid` for a pattern or format that cannot be held to. */
  string(together: Together): Automaton {
    const lengths: Automaton = {
      kind: "count",
      min: most(together, "minLength") ?? 0,
      max: least(together, "maxLength") ?? Number.POSITIVE_INFINITY,
    };
    if (isEmpty(lengths)) return lengths;
    const patterns = values(together, "pattern").map((source) => this.pattern(String(source)));
    const formats = together.flatMap(({ format, pattern }) => {
      if (typeof format !== "string" || (pattern !== undefined && isNote(format))) return [];
      return [this.#format(format)];
    });
    const patterned = this.#all(patterns, lengths);
    const whole = this.#all(formats, patterned);
    // A format is a note where a pattern says otherwise: zod's times have no zone, those of the format have one.
    return isEmpty(whole) && patterns.length > 0 && formats.length > 0 ? patterned : whole;
  }

  pattern(source: string): Automaton {
    const known = this.#patterns.get(source);
    if (known !== undefined) return known;
    const made = patternAutomaton(source, this.#budget);
    this.#patterns.set(source, made);
    return made;
  }

  number(together: Together, integer: boolean): Automaton {
    const bounds = numberBounds(together, integer);
    const key = JSON.stringify(Object.entries(bounds));
    const made = this.#numbers.get(key) ?? numberAutomaton(bounds, this.#budget);
    this.#numbers.set(key, made);
    return made;
  }

  #format(name: string): Automaton {
    const pattern = formatPattern(name);
    if (pattern !== undefined) return this.pattern(pattern);
    if (numberFormat(name) !== undefined) return ANY_TEXT; // It speaks of numbers.
    throw schemaInvalid(`the format ${JSON.stringify(name.slice(0, 40))} is not supported`);
  }

  #all(automata: readonly Automaton[], first: Automaton): Automaton {
    return automata.reduce((whole, automaton) => both(whole, automaton, this.#budget), first);
  }
}

/** The bounds that hold together; of a format such as int32 too. */
export function numberBounds(together: Together, integer: boolean): NumberBounds {
  const formats = values(together, "format").flatMap((name) => numberFormat(String(name)) ?? []);
  const mins = [...numbers(together, "minimum"), ...formats.flatMap(({ min }) => min ?? [])];
  const maxes = [...numbers(together, "maximum"), ...formats.flatMap(({ max }) => max ?? [])];
  return {
    integer,
    min: mins.length === 0 ? undefined : Math.max(...mins),
    max: maxes.length === 0 ? undefined : Math.min(...maxes),
    exclusiveMin: most(together, "exclusiveMinimum"),
    exclusiveMax: least(together, "exclusiveMaximum"),
    multiplesOf: [...new Set(numbers(together, "multipleOf"))],
  };
}

export function most(together: Together, key: string): number | undefined {
  const found = numbers(together, key);
  return found.length === 0 ? undefined : Math.max(...found);
}

export function least(together: Together, key: string): number | undefined {
  const found = numbers(together, key);
  return found.length === 0 ? undefined : Math.min(...found);
}

function numbers(together: Together, key: string): number[] {
  return values(together, key) as number[];
}

function values(together: Together, key: string): unknown[] {
  return together.flatMap((schema) => (Object.hasOwn(schema, key) ? [schema[key]] : []));
}
