// Patterns as automata against the JavaScript engine's own regular expressions.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fitsText, isEmpty } from "../../../../engine/sampling/language/automaton.ts";
import { Budget } from "../../../../engine/sampling/language/budget.ts";
import {
  both,
  countTexts,
  either,
  listWords,
  not,
  without,
  words,
} from "../../../../engine/sampling/language/combine.ts";
import { formatPattern } from "../../../../engine/sampling/language/formats.ts";
import { patternAutomaton } from "../../../../engine/sampling/language/pattern.ts";
import { raises } from "../../../raises.ts";

const automatonOf = (pattern: string) => patternAutomaton(pattern, new Budget());

const { pattern } = fc.letrec<{ pattern: string; part: string; sequence: string }>((tie) => ({
  pattern: fc.oneof(
    { weight: 3, arbitrary: tie("sequence") },
    fc.tuple(tie("sequence"), tie("sequence")).map(([a, b]) => `${a}|${b}`),
    fc.tuple(tie("sequence")).map(([a]) => `^${a}$`),
  ),
  sequence: fc.array(tie("part"), { minLength: 0, maxLength: 4 }).map((parts) => parts.join("")),
  part: fc
    .tuple(
      fc.oneof(
        {
          weight: 6,
          arbitrary: fc.constantFrom(
            "a",
            "b",
            ".",
            "[ab]",
            "[^a]",
            "\\d",
            "\\w",
            "\\s",
            "é",
            "\\.",
            "[a-c-]",
            "\\p{Script=Han}",
          ),
        },
        { weight: 1, arbitrary: fc.tuple(tie("pattern")).map(([inner]) => `(?:${inner})`) },
      ),
      fc.constantFrom("", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}?"),
    )
    .map(([atom, count]) => atom + count),
}));

test("a text fits exactly where JavaScript's expression finds it", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "-", "1", " ", "é", "𝒳", "\n", "."), maxLength: 6 });
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 5, maxLength: 20 }), (source, texts) => {
      const expression = new RegExp(source, "u");
      const automaton = automatonOf(source);
      for (const each of ["", ...texts])
        assert.equal(fitsText(automaton, each), expression.test(each), `${source} ${each}`);
    }),
    { numRuns: 200 },
  );
});

test("patterns of zod and others, with lookaheads after the beginning", () => {
  const cases: [pattern: string, yes: string[], no: string[]][] = [
    [
      "^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$",
      ["a.b@c.org", "x@y.z.com"],
      [".a@c.org", "a..b@c.org", "a@c", "a@c.o"],
    ],
    ["^(?=.*[a-z])(?=.*\\d).{3,}$", ["a1b", "1zz"], ["abc", "123", "a1"]],
    ["^(?!x)", ["", "ax"], ["x", "xa"]],
    ["^[^\\s@]+$", ["a", "日本"], ["a b", "@"]],
    ["^\\u{1F600}\\x41\\u0042$", ["😀AB"], ["AB"]],
  ];
  for (const [source, yes, no] of cases) {
    const automaton = automatonOf(source);
    for (const text of yes) assert.ok(fitsText(automaton, text), `${source} ${text}`);
    for (const text of no) assert.ok(!fitsText(automaton, text), `${source} ${text}`);
  }
});

test("what no automaton can hold to is refused by name", async () => {
  const bad: [pattern: string, name: RegExp][] = [
    ["(a)\\1", /back reference/],
    ["\\bword", /word boundary/],
    ["(?<=a)b", /lookbehind/],
    ["a(?=b)c", /lookahead/],
    ["(", /no end|unclosed/],
    ["a)", /unmatched/],
    ["[z-a]", /range/],
    ["a{3,1}", /count/],
    ["\\q", /unknown escape/],
    ["\\p{Nonsense}", /property/],
  ];
  for (const [source, name] of bad) await raises("schema_invalid", name, () => automatonOf(source));
});

test("patterns of too many states are refused within a second or so", async () => {
  const bombs = [
    "^[ab]*a[ab]{20}$",
    "^(.{0,150}){0,150}$",
    "(.*a.{9}|.*b.{9}|.*c.{9})",
    "^(\\p{L}{0,50}\\p{N}{0,50}){0,50}$",
  ];
  for (const bomb of bombs) await raises("schema_too_complex", /too/, () => automatonOf(bomb));
  for (const harmless of ["((a*)*)*b", "(x+x+)+y", "^(a|a)*$", "^.{0,512}$"])
    assert.ok(!isEmpty(automatonOf(harmless)));
});

test("automata of automata", () => {
  const budget = new Budget();
  const a = automatonOf("^a*b?$");
  const b = automatonOf("^.{2}$");
  const texts = ["", "a", "b", "ab", "aa", "ba", "aab", "cc"];
  for (const text of texts) {
    const [inA, inB] = [fitsText(a, text), fitsText(b, text)];
    assert.equal(fitsText(both(a, b, budget), text), inA && inB, text);
    assert.equal(fitsText(not(a, budget), text), !inA, text);
    assert.equal(fitsText(without(a, b, budget), text), inA && !inB, text);
    assert.equal(fitsText(either([a, b], budget), text), inA || inB, text);
  }
  assert.deepStrictEqual(listWords(words(["x", "yy", "x"], budget), 5), ["x", "yy"]);
  assert.equal(listWords(automatonOf("^[a-z]{2}$"), 100), undefined);
  const counted = automatonOf("^[a-c]{1,2}$");
  assert.equal(counted.kind === "table" && countTexts(counted)[0], 12);
  assert.equal(a.kind === "table" && countTexts(a)[0], Number.POSITIVE_INFINITY);
});

test("formats hold what is right and nothing that is wrong", () => {
  const cases: [format: string, yes: string[], no: string[]][] = [
    [
      "date",
      ["2024-02-29", "1999-12-31", "2000-02-29"],
      ["2023-02-29", "1900-02-29", "2024-13-01", "2024-04-31", "24-01-01"],
    ],
    ["time", ["12:30:00Z", "23:59:59.5+02:00"], ["24:00:00Z", "12:30", "12:30:00"]],
    ["date-time", ["2024-02-29T00:00:00Z"], ["2024-02-29 00:00:00Z", "2024-02-30T00:00:00Z"]],
    [
      "uuid",
      ["123e4567-e89b-12d3-a456-426614174000"],
      ["123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g"],
    ],
    ["ipv4", ["0.0.0.0", "255.1.20.199"], ["256.1.1.1", "1.1.1", "01.1.1.1"]],
    [
      "ipv6",
      ["::", "::1", "1::", "fe80::1:2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::"],
      [":", "1:2", "1::2::3", "12345::", "1:2:3:4:5:6:7:8:9"],
    ],
    ["email", ["a.b@c.org"], ["a@b", "@c.org", "a b@c.org"]],
    ["uri", ["https://a.org/x?y=1#z", "mailto:a@b.org", "urn:isbn:12"], ["a.org", "http://", "http://a b"]],
    ["duration", ["P1Y2M3D", "PT5M", "P2W", "P1DT2H"], ["P", "PT", "1D", "P1S"]],
    ["hostname", ["a", "a-b.c.org"], ["-a", "a..b", "a_b"]],
  ];
  for (const [format, yes, no] of cases) {
    const automaton = automatonOf(formatPattern(format)!);
    for (const text of yes) assert.ok(fitsText(automaton, text), `${format} ${text}`);
    for (const text of no) assert.ok(!fitsText(automaton, text), `${format} ${text}`);
  }
});
