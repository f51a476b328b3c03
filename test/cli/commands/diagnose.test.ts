// `molora diagnose` as a person runs it: what weights say, what texts say beside it, the page, clear refusals.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Measured } from "../../../cli/composition/measured.ts";
import type { Advice } from "../../../composition/diagnose/advice.ts";
import type { Diagnosis } from "../../../composition/diagnose/diagnose.ts";
import { ADAPTERS, MODEL, routerCase, TWO } from "../router_case.ts";
import { json, molora } from "../run.ts";

const made = routerCase();
type Whole = Diagnosis & { advice: Advice; measured?: Measured };

function diagnosed(...more: string[]) {
  return molora(["diagnose", ...MODEL, ...TWO, "--json", ...more]);
}

test("without texts it says what weights say, and measures nothing", async () => {
  const ran = await diagnosed();
  assert.equal(ran.code, 0, ran.stderr);
  const { adapters, pairs, advice, measured } = json<Whole>(ran);
  assert.deepEqual(
    adapters.map(({ name, ranks }) => [name, ranks]),
    [
      ["plus", [8]],
      ["query", [16]],
    ],
  );
  assert.deepEqual([pairs.length, advice.sentences.length > 1, measured], [1, true, undefined]);
});

test("with texts it measures every adapter, merge, stack and the right adapter, and draws them", async () => {
  const out = join(made.folder, "diagnosis");
  const size = ["--texts", "8", "--length", "64", "--batch", "4"];
  const methods = ["--method", "cat", "--method", "tsv", "--method", "cat"];
  const ran = await diagnosed(...made.data, ...size, ...methods, "--out", out);
  assert.equal(ran.code, 0, ran.stderr);
  const { measured } = json<Required<Whole>>(ran);
  const names = ["base", "adapter plus", "adapter query", "merge cat", "merge tsv"];
  const more = ["stack even", "stack", "text-hindsight", "label"];
  assert.deepEqual(
    measured.policies.map(({ name }) => name),
    [...names, ...more],
  );
  assert.deepEqual(Object.keys(measured.sets).sort(), ["base", "mixed", "mixed with base", "plus", "query"]);
  const loss = (name: string, set: string) =>
    measured.policies.find((policy) => policy.name === name)!.sets[set].completions.loss.value;
  for (const set of Object.keys(measured.sets)) {
    near(loss("merge cat", set), loss("stack even", set), 1e-4, `cat is the even stack: ${set}`);
    assert.ok(loss("text-hindsight", set) <= loss("base", set), set);
  }
  for (const domain of ["plus", "query"]) near(loss("label", domain), loss(`adapter ${domain}`, domain), 1e-5, domain);
  near(loss("label", "base"), loss("base", "base"), 1e-5, "base");
  assert.ok(Math.abs(loss("stack", "mixed") - loss("stack even", "mixed")) > 1e-3);
  for (const { kept } of measured.policies.filter(({ name }) => name === "label")) {
    for (const share of Object.values(kept)) near(share, 1, 1e-12, "the right adapter keeps all");
  }

  const page = await readFile(join(out, "diagnosis.html"), "utf8");
  const markdown = await readFile(join(out, "diagnosis.md"), "utf8");
  for (const text of [page, markdown]) {
    assert.match(text, /merged by cat, weights 0\.5/);
    assert.match(text, /right adapter by label/);
  }
  assert.equal(page.match(/<svg /g)!.length, 1 + 3 + Object.keys(measured.sets).length);
  assert.deepEqual(JSON.parse(await readFile(join(out, "diagnosis.json"), "utf8")), json<Whole>(ran));
});

test("losses on rows that are mixed already are those that molora score finds", async () => {
  const turn = (role: string, content: string, domain: string) => ({ role, content, domain });
  const rows = await made.rows("both", (n) => ({
    messages: [
      turn("user", `add ${n}`, "plus"),
      turn("assistant", `${2 * n}`, "plus"),
      turn("user", `find ${n}`, "query"),
      turn("assistant", `SELECT ${n};`, "query"),
    ],
  }));
  const { measured } = json<Required<Whole>>(await diagnosed("--data", rows, "--length", "120", "--method", "svd"));
  assert.deepEqual(Object.keys(measured.sets), ["mixed"]);
  const uses = ["base", "plus", "query"];
  const scored = await molora([
    "score",
    ...MODEL,
    ...TWO,
    "--data",
    rows,
    ...uses.flatMap((use) => ["--use", use]),
    "--json",
  ]);
  assert.equal(scored.code, 0, scored.stderr);
  const { totals } = json<{ totals: { use: string; nll: number; tokens: number }[] }>(scored);
  const found = new Map(measured.policies.map(({ name, sets }) => [name, sets.mixed.completions.loss.value]));
  for (const use of uses) {
    const own = totals.filter((total) => total.use === use);
    const nll = own.reduce((sum, total) => sum + total.nll, 0) / own.reduce((sum, total) => sum + total.tokens, 0);
    near(found.get(use === "base" ? use : `adapter ${use}`)!, nll, 1e-5, use);
  }
});

test("a mixture is measured beside them; one whose expert is another adapter of that name is refused", async () => {
  const mixture = "test/fixtures/tiny/mixtures/belief-top1";
  const { experts } = JSON.parse(await readFile(join(mixture, "mixture.json"), "utf8"));
  const own = experts.filter((expert: { adapter?: string }) => expert.adapter !== undefined);
  const data = [...made.data.slice(2, 4), "--texts", "4", "--length", "32", "--method", "cat", "--mixture", mixture];
  const ran = await diagnosed(...data);
  assert.equal(ran.code, 0, ran.stderr);
  const { measured } = json<Required<Whole>>(ran);
  assert.equal(measured.policies.at(-1)!.name, "router");

  const clash = ["--adapter", `${own[0].name}=${ADAPTERS}/r3`];
  const refused = await diagnosed(...data, ...clash);
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stdout, new RegExp(`expert .*${own[0].name}.* is another adapter`));
});

for (const [what, flags, message] of [
  ["a method without data", ["--method", "cat"], /--method is for measuring, and there is no --data/],
  ["an unknown method", ["--data", "plus=x", "--method", "best"], /--method best is none of/],
  [
    "a density that no method has",
    ["--data", "plus=x", "--method", "cat", "--density", "0.5"],
    /--density is for none/,
  ],
  ["unequal ranks", ["--data", "plus=x", "--method", "linear"], /linear needs equal ranks/],
  ["darex", ["--data", "plus=x", "--method", "darex"], /darex rescales by texts/],
  ["a domain without an adapter", ["--data", "law=x"], /no adapter is named "law"/],
] as const) {
  test(`refused before anything is computed: ${what}`, async () => {
    const ran = await diagnosed(...flags);
    assert.equal(ran.code, 2, ran.stderr);
    assert.match(JSON.parse(ran.stdout).error.message, message);
  });
}

function near(value: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(value - expected) <= tolerance, `${what}: ${value}, not ${expected}`);
}
