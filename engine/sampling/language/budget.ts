// How much work the making of one grammar may take, counted in steps so that the limit is the same on every machine.

import { MoloraError } from "../../../proto/errors.ts";

/** Most states of one automaton: of a pattern, a format, a number's bounds, or of several of them together. */
export const MOST_STATES = 20_000;
/** Most steps in all: a step adds a state to a set, or an edge to an automaton. About a second's work. */
export const MOST_STEPS = 3_000_000;

export class Budget {
  #left = MOST_STEPS;

  /** @throws MoloraError `schema_too_complex` when all is spent. */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw tooComplex("it takes too long to compile");
  }

  /** @throws MoloraError `schema_too_complex` for an automaton of too many states. */
  states(count: number, what: string): void {
    if (count > MOST_STATES) throw tooComplex(`${what} takes more than ${MOST_STATES} states`);
  }
}

export function tooComplex(reason: string): MoloraError {
  return new MoloraError("schema_too_complex", `the schema is too complex: ${reason}`, {
    remedy: "Simplify the patterns, the alternatives or the counts of the JSON schema.",
  });
}

export function schemaInvalid(reason: string): MoloraError {
  return new MoloraError("schema_invalid", `the schema cannot be compiled: ${reason}`, {
    remedy: "Mend or simplify the JSON schema.",
  });
}
