// Jinja's tests: what stands behind `is`, and is named by `select` and its kin.

import {
  Callable,
  contains,
  equal,
  type Given,
  isDict,
  isFloat,
  isList,
  numberOf,
  order,
  TemplateRuntimeError,
  typeName,
  type Value,
} from "./values.ts";

type Test = (value: Value, given: Given) => boolean;

const first = ({ positional }: Given) => positional[0];
const isInteger = (value: Value) => typeof value === "number" && !isFloat(value);
const isIterable = (value: Value) => value === undefined || typeof value === "string" || isList(value) || isDict(value);

function integer(value: Value): number {
  const number = numberOf(value);
  if (number !== undefined) return number;
  throw new TemplateRuntimeError(`a number is tested, not ${typeName(value)}`);
}

export const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["defined", (value) => value !== undefined],
  ["undefined", (value) => value === undefined],
  ["none", (value) => value === null],
  ["boolean", (value) => typeof value === "boolean"],
  ["true", (value) => value === true],
  ["false", (value) => value === false],
  ["string", (value) => typeof value === "string"],
  ["number", (value) => numberOf(value) !== undefined],
  ["integer", isInteger],
  ["float", isFloat],
  ["mapping", isDict],
  ["sequence", isIterable],
  ["iterable", isIterable],
  ["callable", (value) => value instanceof Callable],
  ["odd", (value) => Math.abs(integer(value) % 2) === 1],
  ["even", (value) => integer(value) % 2 === 0],
  ["divisibleby", (value, given) => integer(value) % integer(first(given)) === 0],
  ["lower", (value) => typeof value === "string" && value !== value.toUpperCase() && value === value.toLowerCase()],
  ["upper", (value) => typeof value === "string" && value !== value.toLowerCase() && value === value.toUpperCase()],
  ["in", (value, given) => contains(first(given), value)],
  ["sameas", (value, given) => value === first(given)],
  ["escaped", () => false],
  ...named(["eq", "equalto", "=="], (a, b) => equal(a, b)),
  ...named(["ne", "!="], (a, b) => !equal(a, b)),
  ...named(["gt", "greaterthan", ">"], (a, b) => order(a, b) > 0),
  ...named(["ge", ">="], (a, b) => order(a, b) >= 0),
  ...named(["lt", "lessthan", "<"], (a, b) => order(a, b) < 0),
  ...named(["le", "<="], (a, b) => order(a, b) <= 0),
]);

function named(names: readonly string[], compare: (a: Value, b: Value) => boolean): [string, Test][] {
  return names.map((name) => [name, (value, given) => compare(value, first(given))]);
}

/** The test of a name that a template gives as text. @throws TemplateRuntimeError */
export function testNamed(name: Value): Test {
  const test = typeof name === "string" ? TESTS.get(name) : undefined;
  if (test !== undefined) return test;
  throw new TemplateRuntimeError(`no test is named ${typeof name === "string" ? name : typeName(name)}`);
}
