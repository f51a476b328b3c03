// Bounds and divisors of numbers, compared with JavaScript's own: texts just inside are let through, just outside are not.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fitsText, isEmpty } from "../../../../engine/sampling/language/automaton.ts";
import { Budget } from "../../../../engine/sampling/language/budget.ts";
import { decimalOf, neighbour } from "../../../../engine/sampling/language/decimal.ts";
import { type NumberBounds, numberAutomaton } from "../../../../engine/sampling/language/numbers.ts";

const NONE = { integer: false, min: undefined, max: undefined, exclusiveMin: undefined, exclusiveMax: undefined };
const automatonOf = (asked: Partial<NumberBounds>) =>
  numberAutomaton({ ...NONE, multiplesOf: [], ...asked }, new Budget());

function keeps(value: number, { integer, min, max, exclusiveMin, exclusiveMax }: Partial<NumberBounds>): boolean {
  return (
    (!integer || Number.isInteger(value)) &&
    value >= (min ?? value) &&
    value <= (max ?? value) &&
    (exclusiveMin === undefined || value > exclusiveMin) &&
    (exclusiveMax === undefined || value < exclusiveMax)
  );
}

/** Numbers as people write bounds: few digits, either sign, small and large. */
const bound = fc
  .tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.integer({ min: -6, max: 3 }))
  .map(([units, places]) => Number(`${units}e${places}`));
const optional = fc.option(bound, { nil: undefined });
const bounds = fc.record({
  integer: fc.boolean(),
  min: optional,
  max: optional,
  exclusiveMin: optional,
  exclusiveMax: optional,
});

function plain(value: number): string {
  const { negative, whole, fraction } = decimalOf(value);
  return `${negative ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}

test("a decimal is let through exactly if its number keeps to the bounds", () => {
  fc.assert(
    fc.property(bounds, fc.array(bound, { minLength: 1, maxLength: 20 }), (asked, values) => {
      const automaton = automatonOf(asked);
      const near = [asked.min, asked.max, asked.exclusiveMin, asked.exclusiveMax].filter(
        (found) => found !== undefined,
      );
      const steps = [1, 0.1, 0.001, 1e-6].flatMap((step) => near.flatMap((at) => [at - step, at + step]));
      for (const value of [...values, ...near, ...steps.map((step) => Number(step.toFixed(7)))]) {
        const text = plain(value);
        // A bound of all four that leaves nothing has no states; a number beyond its digits is left out on purpose.
        const isShort = text.replace(/[-.]/g, "").length <= 12 && !(value === 0 && text.startsWith("-"));
        if (!isShort) continue;
        const expected = keeps(value, asked);
        const longest = asked.min !== undefined && asked.max !== undefined;
        if (expected && longest && text.replace(/^-|\..*/g, "").length > 12) continue;
        assert.equal(fitsText(automaton, text), expected, `${JSON.stringify(asked)} ${text}`);
      }
    }),
    { numRuns: 400 },
  );
});

test("the examples of other engines' mistakes", () => {
  const tenth = automatonOf({ min: 0.1, max: 0.9 });
  for (const text of ["0.1", "0.9", "0.10", "0.899", "0.5"]) assert.ok(fitsText(tenth, text), text);
  for (const text of ["0", "0.", "0}9", "1", "0.91", "0.09", "-0.5", "0.05", "00.5", "0.9000001", ".5"]) {
    assert.ok(!fitsText(tenth, text), text);
  }
  const half = automatonOf({ min: 0.5, max: 1.5 });
  for (const text of ["105", "1.51", "15", "0.49"]) assert.ok(!fitsText(half, text), text);
  const age = automatonOf({ integer: true, min: 0, max: 120 });
  for (let i = -5; i < 200; i++) assert.equal(fitsText(age, `${i}`), i >= 0 && i <= 120, `${i}`);
  const wide = automatonOf({ integer: true, min: -1234, max: 98_765 });
  for (let i = -3000; i < 100_500; i += 7) assert.equal(fitsText(wide, `${i}`), i >= -1234 && i <= 98_765, `${i}`);
});

test("exclusive bounds of many digits are held to as doubles compare", () => {
  const least = 0.1 + 0.2;
  const above = automatonOf({ exclusiveMin: least, max: 0.4 });
  assert.ok(!fitsText(above, plain(least)));
  assert.ok(!fitsText(above, `${plain(least)}0`));
  assert.ok(!isEmpty(above));
  assert.equal(neighbour(1, 1), 1 + Number.EPSILON);
  assert.equal(neighbour(0, -1), -Number.MIN_VALUE);
  assert.equal(neighbour(-1, 1), -1 + Number.EPSILON / 2);
});

test("divisors", () => {
  const check = (asked: Partial<NumberBounds>, yes: string[], no: string[]) => {
    const automaton = automatonOf(asked);
    for (const text of yes) assert.ok(fitsText(automaton, text), `${JSON.stringify(asked)} ${text}`);
    for (const text of no) assert.ok(!fitsText(automaton, text), `${JSON.stringify(asked)} ${text}`);
  };
  check({ integer: true, multiplesOf: [7] }, ["0", "7", "-14", "700"], ["1", "-13", "70.0", "-0"]);
  check({ multiplesOf: [0.5] }, ["0.5", "3", "3.0", "-2.5"], ["0.25", "0.55"]);
  check({ multiplesOf: [0.01] }, ["0.07", "1.5", "12.30"], ["0.001", "0.123"]);
  check({ multiplesOf: [2.5] }, ["2.5", "5", "7.5", "10.0"], ["2", "0.5", "5.5"]);
  check({ multiplesOf: [4, 6] }, ["12", "-24"], ["4", "6", "8"]);
  check({ integer: true, multiplesOf: [0.5] }, ["1", "3"], ["0.5"]);
  check({ integer: true, multiplesOf: [5], min: 11, max: 19 }, ["15"], ["10", "20", "11"]);
  assert.ok(isEmpty(automatonOf({ integer: true, multiplesOf: [5], min: 11, max: 14 })));
});

test("numbers of any size are written without exponents, and read back", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.equal(Number(plain(value)), value === 0 ? 0 : value);
    }),
  );
  for (const value of [1e21, -1.5e-7, 5e-324, 1.7976931348623157e308, 123456.789])
    assert.equal(Number(plain(value)), value);
});
