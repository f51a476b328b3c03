// Advice follows from what pairs do to each other; its bound is that of docs/diagnosis.md.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { adviceOn, DROWNED } from "../../../composition/diagnose/advice.ts";
import type { PairDiagnosis } from "../../../composition/diagnose/diagnose.ts";

const QUIET = {
  cosine: 0,
  normRatio: 1,
  signConflict: 0.5,
  weightedConflict: 0.3,
  inputAlignment: 0.1,
  outputAlignment: 0.1,
  drownsFirst: DROWNED / 2,
  drownsSecond: DROWNED / 2,
  interference: 0.2,
};

/** Three adapters; pairs by the letters of their members. */
function advised(changes: Readonly<Record<string, Partial<PairDiagnosis>>>, names = ["a", "b", "c"]) {
  const adapters = names.map((name) => ({ name, ranks: [8], norm: 1, effectiveRank: 4, stableRank: 2 }));
  const pairs = names.flatMap((first, i) =>
    names.slice(i + 1).map((second, k) => ({ first: i, second: i + 1 + k, ...QUIET, ...changes[`${first}${second}`] })),
  );
  return adviceOn({ adapters, pairs });
}

test("adapters that leave each other room are averaged", () => {
  const { verdict, method, leaveOut, sentences } = advised({});
  assert.deepEqual([verdict, method, leaveOut, sentences.length], ["average", "svd", undefined, 2]);
  assert.match(sentences[0], /weights of 1\/3/);
  assert.equal(advised({ ab: { interference: 9, weightedConflict: 0.9 } }).verdict, "average");
});

test("one that is drowned is named with the one that drowns it, and routing is advised", () => {
  const { verdict, method, leaveOut, sentences } = advised({ ab: { drownsFirst: 3 }, bc: { drownsSecond: 2 } });
  assert.deepEqual([verdict, method, leaveOut], ["route", undefined, "b"]);
  assert.ok(sentences.some((one) => one.startsWith("b adds 3.0 times as much as a where a reads")));
  assert.ok(sentences.some((one) => one.startsWith("b adds 2.0 times as much as c where c reads")));
  assert.ok(sentences.some((one) => one.startsWith("Without b")));
});

test("nothing is left out where that would not help, or would leave one alone", () => {
  assert.equal(advised({ ab: { drownsFirst: 3 }, bc: { drownsFirst: 3 }, ac: { drownsFirst: 3 } }).leaveOut, undefined);
  assert.equal(advised({ ab: { drownsFirst: 3 } }, ["a", "b"]).leaveOut, undefined);
});

test("what is alike or undoes each other is said, and what undoes each other is not merged", () => {
  const alike = advised({ ac: { cosine: 0.3, drownsFirst: 3 } });
  assert.equal(alike.verdict, "average", "what has learned the same is not drowned by it");
  assert.ok(alike.sentences.some((one) => one.startsWith("a and c have learned much the same")));
  const opposed = advised({ ac: { cosine: -0.8 } });
  assert.deepEqual([opposed.verdict, opposed.leaveOut], ["route", "a"]);
  assert.ok(opposed.sentences.some((one) => one.startsWith("a and c undo each other")));
});

test("the bound is the one that the study found", async () => {
  const page = await readFile("docs/diagnosis.md", "utf8");
  assert.ok(page.includes(`**${DROWNED}**`), "docs/diagnosis.md names the bound");
});
