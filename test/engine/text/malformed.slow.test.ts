// Tokenizer files broken at random, thousands of them: each loads and works, or is refused by a stable code.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { placesIn, replaceAt, tryFiles, wholeFiles } from "./malformed.ts";

const VALUES: unknown[] = [
  undefined,
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  "",
  "x",
  "<s>",
  "(",
  "\\p{L}",
  [],
  ["x"],
  [["a", "b"]],
  {},
  { type: "x" },
  { type: "Sequence" },
  { type: "Split" },
  { type: "Replace" },
  { type: "Strip" },
  { type: "Metaspace" },
  { type: "Unigram" },
  { id: "A" },
  { Sequence: {} },
  { SpecialToken: {} },
  { Regex: "(?:" },
  { String: "" },
  { __proto__: null, constructor: "x" },
];

test("one to three parts replaced by what does not belong there", () => {
  const places = placesIn(wholeFiles()).filter((path) => path[2] !== "vocab" || path.length < 4 || path[3] === "he");
  const counts = { works: 0, refused: 0 };
  const change = fc.tuple(fc.nat(places.length - 1), fc.nat(VALUES.length - 1));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      const files = wholeFiles();
      for (const [place, value] of changes) {
        try {
          replaceAt(files, places[place]!, structuredClone(VALUES[value]));
        } catch {
          // an earlier change took the place away
        }
      }
      counts[tryFiles(files)]++;
    }),
    { numRuns: 5000, seed: 18 },
  );
  assert.ok(counts.works > 200 && counts.refused > 1000, JSON.stringify(counts));
});

test("every part replaced by every value", () => {
  const places = placesIn(wholeFiles()).filter((path) => path[2] !== "vocab" || path.length < 4);
  for (const place of places) {
    for (const value of VALUES) {
      const files = wholeFiles();
      replaceAt(files, place, structuredClone(value));
      try {
        tryFiles(files);
      } catch (error) {
        assert.fail(`${place.join(".")} = ${JSON.stringify(value)}: ${(error as Error).stack}`);
      }
    }
  }
});
