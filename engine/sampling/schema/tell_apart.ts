// Whether no value can keep to two alternatives at once: of a oneOf, where exactly one may hold, that must be certain.

import { isEmpty } from "../language/automaton.ts";
import { type Budget, schemaInvalid } from "../language/budget.ts";
import { both } from "../language/combine.ts";
import type { Alternatives, Together } from "./alternatives.ts";
import { constantsOf, fitsConstant } from "./constants.ts";
import { NOTHING } from "./keywords.ts";
import { ObjectMembers } from "./members.ts";
import { numberBounds, type Scalars } from "./scalars.ts";
import { typesOf } from "./types.ts";

/** Objects are told apart by properties, those by theirs, and so on, this deep. */
const DEEPEST = 3;

export class TellApart {
  readonly #scalars: Scalars;
  readonly #budget: Budget;
  readonly #strict: boolean;
  readonly #alternatives: () => Alternatives;

  constructor(scalars: Scalars, budget: Budget, strict: boolean, alternatives: () => Alternatives) {
    this.#scalars = scalars;
    this.#budget = budget;
    this.#strict = strict;
    this.#alternatives = alternatives;
  }

  /** @throws MoloraError `schema_invalid` where branches of a oneOf may hold together. */
  check(branches: readonly (readonly Together[])[]): void {
    for (const [i, one] of branches.entries()) {
      for (const [j, other] of branches.entries()) {
        if (i === j || this.#neverIn(one, other, 0)) continue;
        throw schemaInvalid(
          'the keyword "oneOf" is supported only where its branches are told apart by type, constant or required property',
        );
      }
    }
  }

  /** Nothing that is written for `one` keeps to `other`. */
  #neverIn(one: readonly Together[], other: readonly Together[], depth: number): boolean {
    this.#budget.spend(one.length * other.length * 100);
    return one.every((a) => other.every((b) => this.#never(a, b, depth)));
  }

  #never(a: Together, b: Together, depth: number): boolean {
    const constants = constantsOf(a, this.#scalars);
    const others = constantsOf(b, this.#scalars)?.map((value) => JSON.stringify(value));
    if (constants !== undefined) {
      const fits = (value: unknown) =>
        others === undefined ? fitsConstant(value, b, this.#scalars) : others.includes(JSON.stringify(value));
      return constants.every((value) => !fits(value));
    }
    if (others !== undefined)
      return constantsOf(b, this.#scalars)!.every((value) => !fitsConstant(value, a, this.#scalars));
    const shared = typesOf(a).types.filter((type) => typesOf(b).types.includes(type));
    return shared.every((type) => {
      if (type === "string") return isEmpty(both(this.#scalars.string(a), this.#scalars.string(b), this.#budget));
      if (type === "number") return this.#numbersNever(a, b);
      return type === "object" && this.#objectsNever(a, b, depth);
    });
  }

  #numbersNever(a: Together, b: Together): boolean {
    const [one, other] = [a, b].map((together) => numberBounds(together, false));
    const below = (max: number | undefined, min: number | undefined) =>
      max !== undefined && min !== undefined && max < min;
    return (
      below(one.max ?? one.exclusiveMax, other.min ?? other.exclusiveMin) ||
      below(other.max ?? other.exclusiveMax, one.min ?? one.exclusiveMin)
    );
  }

  #objectsNever(a: Together, b: Together, depth: number): boolean {
    if (depth === DEEPEST) return false;
    const written = new ObjectMembers(a, this.#strict, this.#scalars);
    const read = new ObjectMembers(b, false, this.#scalars);
    const told = (name: string) =>
      this.#neverIn(this.#alternatives().of(written.value(name)), this.#alternatives().of(read.value(name)), depth + 1);
    const lacks = (name: string) => written.closed && written.value(name).includes(NOTHING);
    return [...written.required].some(told) || [...read.required].some((name) => lacks(name) || told(name));
  }
}
