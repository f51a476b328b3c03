// An object's property names: those listed one by one, and the others in groups of names that share a value's schema.

import { ANY_TEXT, type Automaton, fitsText, isEmpty } from "../language/automaton.ts";
import { type Budget, tooComplex } from "../language/budget.ts";
import { both, either, listWords, without, words } from "../language/combine.ts";
import type { Together } from "./alternatives.ts";
import { constantsOf } from "./constants.ts";
import type { ObjectMembers } from "./members.ts";
import type { Scalars } from "./scalars.ts";
import { typesOf } from "./types.ts";

/** Groups of at most so many names are listed. */
const FEW_NAMES = 256;
const MOST_PATTERNS = 8;

export interface PropertyGroups {
  listed: string[];
  others: { names: Automaton; matching: ReadonlySet<string> }[];
}

/** `limits`: alternatives of each `propertyNames`. Undefined: they forbid a name that is required. */
export function propertyGroups(
  members: ObjectMembers,
  limits: readonly (readonly Together[])[],
  scalars: Scalars,
  budget: Budget,
): PropertyGroups | undefined {
  const limit = limits
    .map((alternatives) => namesOf(alternatives, scalars, budget))
    .reduce((all, { automaton }) => both(all, automaton, budget), ANY_TEXT as Automaton);
  const fits = (name: string) => limits.length === 0 || fitsText(limit, name);
  if ([...members.required].some((name) => !fits(name))) return undefined;
  const listed = members.names.filter(fits);
  const order = limits.flatMap((alternatives) => namesOf(alternatives, scalars, budget).listed ?? []);
  const others: PropertyGroups["others"] = [];
  for (const group of split(without(limit, words(members.names, budget), budget), members.patterns, scalars, budget)) {
    const few = members.valueOfOthers(group.matching).some(isNothing) ? [] : listWords(group.names, FEW_NAMES);
    if (few === undefined) others.push(group);
    else listed.push(...order.filter((name) => few.includes(name)), ...few.filter((name) => !order.includes(name)));
  }
  return { listed: [...new Set(listed)], others };
}

function isNothing(schema: Readonly<Record<string, unknown>>): boolean {
  return Array.isArray(schema.enum) && schema.enum.length === 0;
}

/** Names that one of the alternatives allows; in their order where all are listed. */
function namesOf(
  alternatives: readonly Together[],
  scalars: Scalars,
  budget: Budget,
): { automaton: Automaton; listed: string[] | undefined } {
  const constants = alternatives.map((together) => constantsOf(together, scalars));
  if (constants.every((list) => list !== undefined)) {
    const listed = constants.flat().filter((value) => typeof value === "string");
    return { automaton: words(listed, budget), listed };
  }
  const each = alternatives.flatMap((together, i) => {
    const list = constants[i];
    if (list !== undefined)
      return [
        words(
          list.filter((value) => typeof value === "string"),
          budget,
        ),
      ];
    return typesOf(together).types.includes("string") ? [scalars.string(together)] : [];
  });
  return { automaton: either(each, budget), listed: undefined };
}

/** Names by which of the patterns they match. */
function split(
  names: Automaton,
  patterns: readonly string[],
  scalars: Scalars,
  budget: Budget,
): { names: Automaton; matching: ReadonlySet<string> }[] {
  if (patterns.length > MOST_PATTERNS) throw tooComplex(`patternProperties has more than ${MOST_PATTERNS} patterns`);
  let groups = [{ names, matching: new Set<string>() }];
  for (const pattern of patterns) {
    const automaton = scalars.pattern(pattern);
    groups = groups.flatMap((group) => [
      { names: both(group.names, automaton, budget), matching: new Set([...group.matching, pattern]) },
      { names: without(group.names, automaton, budget), matching: group.matching },
    ]);
    groups = groups.filter((group) => !isEmpty(group.names));
  }
  return groups;
}
