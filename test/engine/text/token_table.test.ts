// The hash table of a vocabulary, the ranks of its merges and the merges of its cuts, against Maps of strings.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mergesOfCuts } from "../../../engine/text/cut_merges.ts";
import { MergeRanks, mergesOf } from "../../../engine/text/merges.ts";
import { TokenTable } from "../../../engine/text/token_table.ts";
import { lastOf } from "../../../engine/text/tokenizer.ts";
import { sortedIndices } from "../../../files/sorted_indices.ts";
import { TextList } from "../../../files/text_list.ts";
import { raises } from "../../raises.ts";
import { random } from "../../random.ts";

/** Texts of few letters, so that many are parts of others. */
function texts(seed: number, count: number): string[] {
  const next = random(seed);
  const letters = ["a", "b", "é", "你", "😀"];
  const found = new Set(letters);
  while (found.size < count) {
    found.add(Array.from({ length: 1 + Math.floor(next() * 7) }, () => letters[Math.floor(next() * 5)]).join(""));
  }
  return [...found];
}

test("ids, texts and lengths of ten thousand tokens, and none for what is no token", () => {
  const tokens = texts(1, 10_000);
  const ids = Int32Array.from(tokens, (_, i) => 7 + 2 * i);
  const vocabulary = lastOf(TokenTable.of(TextList.of(tokens), ids));
  for (const [i, token] of tokens.entries()) {
    assert.equal(vocabulary.idOf(token), ids[i]);
    assert.equal(vocabulary.textOf(ids[i]), token);
    assert.equal(vocabulary.lengthOf(ids[i]), token.length);
    assert.equal(vocabulary.textOf(ids[i] + 1), undefined);
    assert.equal(vocabulary.idOf(`${token}x`), undefined);
  }
  assert.equal(vocabulary.size, ids.at(-1)! + 1);
  assert.equal(vocabulary.longest, Math.max(...tokens.map(({ length }) => length)));
  assert.equal(vocabulary.textOf(-1), undefined);
  assert.equal(vocabulary.textOf(1.5), undefined);
});

test("a text that comes twice stands for the later id; two texts of one id are refused", async () => {
  const twice = TextList.of(["a", "b", "a"]);
  assert.equal(lastOf(TokenTable.of(twice)).idOf("a"), 2);
  assert.equal(lastOf(TokenTable.of(twice)).textOf(0), "a");
  const later = lastOf(TokenTable.of(twice, Int32Array.of(4, 5, 6)));
  assert.deepEqual([later.idOf("a"), later.textOf(4)], [6, undefined]);
  await raises("tokenizer_invalid", /"a" and "b" have one id, 3/, async () =>
    lastOf(TokenTable.of(TextList.of(["a", "b"]), Int32Array.of(3, 3))),
  );
});

test("ranks of pairs: the first of equal ones, none that a withheld token takes part in", () => {
  const tokens = texts(2, 3000);
  const vocabulary = lastOf(TokenTable.of(TextList.of(tokens)));
  const cuts = tokens.flatMap((token) =>
    Array.from(token, (_, i) => [[...token].slice(0, i).join(""), [...token].slice(i).join("")]).filter(
      ([left, right]) => tokens.includes(left) && tokens.includes(right),
    ),
  );
  const pairs = [...cuts, ...cuts.slice(0, 50)];
  const withheld = new Set([1, 7, 19]);
  const expected = new Map<string, number>();
  for (const [rank, [left, right]] of pairs.entries()) {
    const ids = [left, right, left + right].map((text) => tokens.indexOf(text));
    const key = `${ids[0]} ${ids[1]}`;
    if (!ids.some((id) => withheld.has(id)) && !expected.has(key)) expected.set(key, rank);
  }
  assert.ok(expected.size > 1000);
  for (const asPairs of [true, false]) {
    const list = TextList.of(asPairs ? pairs.flat() : pairs.map((pair) => pair.join(" ")));
    const merges = lastOf(mergesOf(vocabulary, list, asPairs));
    const ranks = lastOf(MergeRanks.of(merges, withheld));
    for (const [rank, [left, right]] of pairs.entries()) {
      const [leftId, rightId] = [tokens.indexOf(left), tokens.indexOf(right)];
      assert.equal(ranks.rankOf(leftId, rightId), expected.get(`${leftId} ${rightId}`) ?? -1);
      assert.equal(ranks.merged(rank), tokens.indexOf(left + right));
    }
    assert.equal(ranks.rankOf(-5, 2), -1);
  }
});

test("merges of cuts: every pair of tokens that makes a token, ordered as asked", () => {
  const tokens = texts(3, 500);
  const vocabulary = lastOf(TokenTable.of(TextList.of(tokens)));
  const takesPart = (id: number) => id % 11 !== 0;
  const known = new Map(tokens.map((token, id) => [token, id]));
  const expected = tokens.flatMap((token, both) =>
    Array.from({ length: token.length }, (_, i) =>
      [token.slice(0, i), token.slice(i)].map((part) => known.get(part) ?? -1),
    )
      .filter((ids) => [...ids, both].every((id) => id >= 0 && takesPart(id)))
      .map(([left, right]) => [left, right, both]),
  );
  expected.sort((a, b) => (a[2] % 5) - (b[2] % 5));
  const { left, right, both } = lastOf(mergesOfCuts(vocabulary, takesPart, (a, b) => (a[2] % 5) - (b[2] % 5)));
  assert.ok(expected.length > 100);
  assert.deepEqual(
    Array.from(both, (id, i) => [left[i], right[i], id]),
    expected,
  );
});

test("a sort in steps is that of Array.sort", () => {
  const next = random(4);
  for (const count of [0, 1, 2, 3, 1000, 20_001]) {
    const keys = Array.from({ length: count }, () => Math.floor(next() * 100));
    const expected = keys.map((_, i) => i).sort((a, b) => keys[a] - keys[b]);
    assert.deepEqual([...lastOf(sortedIndices(count, (a, b) => keys[a] - keys[b]))], expected);
  }
});
