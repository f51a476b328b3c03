// Composing texts of several domains: what a text depends on, its domains token by token, and what it never does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { nodeHost } from "../../../node/host.ts";
import { Composer } from "../../../training/data/compose.ts";
import { labelledText, labelsOf, UNLABELLED } from "../../../training/data/labels.ts";
import { parseRow } from "../../../training/data/rows.ts";
import { type Sources, sortRow } from "../../../training/data/sources.ts";
import { distilledTargets } from "../../../training/router/objective.ts";

const files = await openModelFiles(await nodeHost().open("models/nano"));
const tokenizer = loadTokenizer(files.tokenizerFiles);

function sources(...rows: [domain: string | undefined, row: object][]): Sources {
  const sorted: Sources = { byDomain: new Map(), whole: [] };
  for (const [i, [domain, row]] of rows.entries()) {
    sortRow(sorted, parseRow(JSON.stringify(domain === undefined ? row : { ...row, domain }), `line ${i + 1}`));
  }
  return sorted;
}

const CHAT = (n: number) => ({ prompt: `What is ${n} plus ${n}?`, completion: `It is ${2 * n}.` });
const PROSE = { text: "The old house stood at the end of the lane, and nobody had lived in it for years. ".repeat(8) };
const THREE = sources(["math", CHAT(1)], ["math", CHAT(2)], ["sql", CHAT(3)], ["base", PROSE]);
const OPTIONS = { length: 128, mix: [2, 4], seed: 7 } as const;

test("a text depends on sources, options and its number alone", () => {
  const one = new Composer(tokenizer, THREE, OPTIONS);
  const other = new Composer(tokenizer, THREE, OPTIONS);
  const ahead = Array.from({ length: 5 }, (_, n) => other.text(4 - n)).reverse();
  assert.deepEqual(
    Array.from({ length: 5 }, (_, n) => one.text(n)),
    ahead,
  );
  const reseeded = new Composer(tokenizer, THREE, { ...OPTIONS, seed: 8 });
  assert.notDeepEqual(
    Array.from({ length: 5 }, (_, n) => reseeded.text(n).ids),
    ahead.map(({ ids }) => ids),
  );
});

test("neighbouring items are of different domains, and every token has one", () => {
  const composer = new Composer(tokenizer, THREE, OPTIONS);
  const seen = new Set<string | undefined>();
  for (let n = 0; n < 40; n++) {
    const { ids, domains, counted, tokenBytes } = composer.text(n);
    assert.ok(ids.length <= 128 && ids.length > 0);
    assert.deepEqual([domains.length, counted.length, tokenBytes.length], [ids.length, ids.length, ids.length]);
    assert.equal(counted[0], false, "nothing predicts the first token");
    const changes = domains.filter((domain, t) => t > 0 && domain !== domains[t - 1]).length;
    assert.ok(changes >= 1 || ids.length === 128, "two items or more");
    for (const domain of domains) seen.add(domain);
  }
  assert.deepEqual([...seen].sort(), ["base", "math", "sql"]);
});

test("rows of several domains, and rows of none, stay as they are", () => {
  const turns = (domain: string, n: number) => [
    { role: "user", content: CHAT(n).prompt, domain },
    { role: "assistant", content: CHAT(n).completion, domain },
  ];
  const mixed = { messages: [...turns("math", 1), ...turns("sql", 2)] };
  const given = sources([undefined, mixed], [undefined, PROSE], ["sql", CHAT(1)]);
  assert.equal(given.whole.length, 2);
  assert.deepEqual([...given.byDomain.keys()], ["sql"]);
});

test("targets: all on the label, completions by weight, nothing without a domain", () => {
  const row = {
    ids: [5, 6, 7],
    counted: [false, true, true],
    domains: ["sql", undefined, "math"],
    tokenBytes: [1, 1, 1],
    bytes: 3,
  };
  const experts = ["base", "math", "sql"];
  assert.deepEqual(labelsOf(row, experts), [2, UNLABELLED, 1]);
  assert.deepEqual([...labelledText(row, experts, 3).targets], [0, 0, 1, 0, 0, 0, 0, 3, 0]);
});

test("distilled targets average an expert's losses over the coming window", () => {
  const losses = [Float32Array.of(1, 1, 4), Float32Array.of(2, 2, 2)];
  const sharp = distilledTargets(losses, { experts: ["a", "b"], window: 2, tau: 1e-3 });
  // Means of two: (1, 2), (2.5, 2), and at the end of what is known (4, 2); the last token predicts nothing
  assert.deepEqual([...sharp].map(Math.round), [1, 0, 0, 1, 0, 1, 0, 0]);
  const soft = distilledTargets(losses, { experts: ["a", "b"], window: 1, tau: 1 });
  assert.ok(Math.abs(soft[0] - 1 / (1 + Math.exp(-1))) < 1e-6);
});
