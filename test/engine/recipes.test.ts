// Recipes on a running engine: merged, stacked and routed parts under one name compute what the same composition made by hand
// does, the merged part what PEFT makes of it; parts and generations are told; what cannot be is refused.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { Engine } from "../../node/index.ts";
import type { DoneEvent, Routing, TokenEvent } from "../../proto/api.ts";
import { raises } from "../raises.ts";

const TINY = resolve("test/fixtures/tiny");
const IDS = Array.from({ length: 24 }, (_, i) => 20 + ((i * 37) % 280));
const NAMES = ["r2", "r3", "r8", "partial", "all-linear"];
const folder = mkdtempSync(join(tmpdir(), "molora-recipes-"));
let engine: Engine;

before(async () => {
  const adapters = Object.fromEntries(NAMES.map((name) => [name, `${TINY}/adapters/${name}`]));
  engine = await Engine.load({ model: `${TINY}/base`, adapters });
});
after(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

const stacked = (name: string, weight: number) => ({ name, adapter: `${TINY}/adapters/${name}`, weight });
const merged = (name: string, weight: number, method: string, parts: [string, number][], more: object = {}) => ({
  name,
  weight,
  merge: { method, ...more, adapters: parts.map(([part, share]) => stacked(part, share)) },
});
const routed = (name: string) => ({ name, mixture: `${TINY}/mixtures/${name}` });

function file(parts: object[], name = "recipe"): string {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify({ format: "molora-recipe/1", parts }));
  return path;
}

async function logprobs(routing: Routing): Promise<number[]> {
  for await (const event of engine.generate({ ...routing, ids: IDS, maxTokens: 0, promptLogprobs: 1 })) {
    if (event.type === "done") return event.promptLogprobs!.map(({ logprob }) => logprob);
  }
  throw new Error("no last event");
}

function assertAlike(got: number[], expected: readonly number[], tolerance: number, what: string): void {
  assert.equal(got.length, expected.length);
  for (const [i, value] of got.entries()) {
    assert.ok(Math.abs(value - expected[i]) < tolerance, `${what}, token ${i}: ${value}, expected ${expected[i]}`);
  }
}

async function generated(routing: Routing): Promise<{ tokens: TokenEvent[]; done: DoneEvent }> {
  const tokens: TokenEvent[] = [];
  for await (const event of engine.generate({ ...routing, ids: IDS, maxTokens: 5, trace: true, ignoreEos: true })) {
    if (event.type === "done") return { tokens, done: event };
    tokens.push(event);
  }
  throw new Error("no last event");
}

test("merged and stacked parts are the merge and the stack made by hand, bit for bit", async () => {
  const parts = [
    merged(
      "domain",
      0.7,
      "ties_svd",
      [
        ["r2", 0.5],
        ["r8", 1],
      ],
      { density: 0.4 },
    ),
    stacked("partial", -1),
    stacked("r3", 0.25),
  ];
  const report = await engine.loadMixture("person", file(parts));
  const adapters = [{ name: "r2", weight: 0.5 }, { name: "r8" }];
  const { adapter } = await engine.merge("by-hand", { method: "ties_svd", density: 0.4, adapters });
  const stack = [
    { id: "by-hand", weight: 0.7 },
    { id: "partial", weight: -1 },
    { id: "r3", weight: 0.25 },
  ];
  assert.deepEqual(await logprobs({ mixture: "person" }), await logprobs({ adapters: stack }));
  assert.equal(report.router, "none");
  const [domain, ...rest] = report.parts!;
  assert.deepEqual([domain.kind, domain.hash, domain.weight, domain.method], ["merged", adapter.hash, 0.7, "ties_svd"]);
  assert.deepEqual(
    domain.adapters!.map(({ name, weight }) => [name, weight]),
    [
      ["r2", 0.5],
      ["r8", 1],
    ],
  );
  assert.deepEqual(
    rest.map(({ name, kind, weight }) => [name, kind, weight]),
    [
      ["partial", "stacked", -1],
      ["r3", "stacked", 0.25],
    ],
  );
});

test("the merged part is PEFT's merge", async () => {
  const cases: { method: string; weights: number[]; density?: number; merged: number[] }[] = JSON.parse(
    readFileSync("test/fixtures/composition/peft_logprobs.json", "utf8"),
  );
  assert.ok(cases.length >= 4);
  for (const { method, weights, density, merged: expected } of cases) {
    const parts = ["r2", "r8", "partial"].map((name, i): [string, number] => [name, weights[i]]);
    await engine.loadMixture("peft", file([merged("m", 1, method, parts, density === undefined ? {} : { density })]));
    assertAlike(await logprobs({ mixture: "peft" }), expected, 1e-3, method);
  }
});

test("what stands beside a router adds to each token's choice", async () => {
  await engine.loadMixture("uniform", `${TINY}/mixtures/uniform`);
  const experts = engine.listMixtures().find(({ name }) => name === "uniform")!.experts;
  await engine.loadMixture("both", file([stacked("partial", 0.5), routed("uniform"), stacked("all-linear", -0.3)]));
  const alike = experts.filter((name) => name !== "base").map((id) => ({ id, weight: 1 / experts.length }));
  const stack = [...alike, { id: "partial", weight: 0.5 }, { id: "all-linear", weight: -0.3 }];
  assertAlike(await logprobs({ mixture: "both" }), await logprobs({ adapters: stack }), 1e-5, "uniform");

  await engine.loadMixture("learned", file([routed("belief-top1"), stacked("partial", 0.5)], "learned"));
  await engine.loadMixture("alone", `${TINY}/mixtures/belief-top1`);
  const { tokens, done } = await generated({ mixture: "learned" });
  const { tokens: plain } = await generated({ mixture: "alone" });
  const layer = tokens[0].trace![0];
  assert.deepEqual([layer.experts.at(-1), layer.gates.at(-1)], ["partial", 0.5]);
  // In the first layer the router reads what it reads without the part beside it.
  assert.deepEqual(layer.experts.slice(0, -1), plain[0].trace![0].experts);
  assert.deepEqual(
    done.generations.slice(1).map(({ kind, name }) => [kind, name]),
    [
      ["mixture", "learned"],
      ["adapter", "partial"],
      ["mixture", "belief-top1"],
    ],
  );
});

test("requests of recipes, stacks and mixtures share a step and stay what they are alone", async () => {
  const all: Routing[] = [{ mixture: "both" }, { mixture: "learned" }, { mixture: "uniform" }, { adapter: "r3" }, {}];
  const alone: number[][] = [];
  for (const routing of all) alone.push(await logprobs(routing));
  assert.deepEqual(await Promise.all(all.map(logprobs)), alone);
});

test("usage names the parts, their generations and their tokens; a router's shares are its experts' alone", async () => {
  await generated({ mixture: "both" });
  const { mixtures } = engine.stats();
  const both = mixtures.find(({ name }) => name === "both")!;
  assert.equal(both.share.length, both.experts.length);
  assert.ok(Math.abs(both.share.reduce((sum, value) => sum + value, 0) - 1) < 1e-6);
  assert.deepEqual(
    both.parts!.map(({ name }) => name),
    ["partial", "all-linear"],
  );
  for (const { tokens, hash } of both.parts!) assert.ok(tokens >= 5 && hash.length === 64);
});

test("a recipe keeps its generations when an adapter of its names is replaced, and gives them up with its name", async () => {
  const before = await logprobs({ mixture: "both" });
  await engine.loadAdapter("partial", `${TINY}/adapters/r8`);
  assert.deepEqual(await logprobs({ mixture: "both" }), before);
  const { hash } = engine.listMixtures().find(({ name }) => name === "both")!;
  const again = await engine.loadMixture("both", join(folder, "recipe.json"));
  assert.equal(again.hash, hash, "the same file over the same parts is the same generation");
  await engine.unloadMixture("both");
  await raises("unknown_mixture", /both/, () => engine.generate({ mixture: "both", ids: IDS }).next());
  await engine.loadAdapter("partial", `${TINY}/adapters/partial`);
});

test("from bytes a recipe takes adapters and mixtures by their names", async () => {
  const parts = [merged("m", 1, "cat", [["r2", 0.5]]), stacked("r3", 2), routed("uniform")];
  const bytes = new TextEncoder().encode(JSON.stringify({ format: "molora-recipe/1", parts }));
  await engine.loadFiles("sent", new Map([["recipe.json", bytes]]));
  await engine.loadMixture("read", file(parts, "sent"));
  assertAlike(await logprobs({ mixture: "sent" }), await logprobs({ mixture: "read" }), 1e-5, "bytes");
});

test("what cannot be is refused, with its reason", async () => {
  const load = (parts: object[]) => engine.loadMixture("no", file(parts, "no"));
  await raises("mixture_invalid", /"parts"/, () => load([]));
  await raises("mixture_invalid", /no kind/, () => load([{ name: "a" }]));
  await raises("mixture_invalid", /both adapter and mixture/, () => load([{ ...routed("uniform"), adapter: "x" }]));
  await raises("mixture_invalid", /two parts named/, () => load([stacked("r2", 1), stacked("r2", 1)]));
  await raises("mixture_invalid", /at most one mixture/, () => load([routed("uniform"), routed("arrow")]));
  await raises("mixture_invalid", /another name than "base"/, () => load([{ ...stacked("r2", 1), name: "base" }]));
  await raises("mixture_invalid", /unknown field "wieght"/, () => load([{ ...stacked("r2", 1), wieght: 1 }]));
  await raises("mixture_invalid", /has no density/, () => load([merged("m", 1, "cat", [["r2", 1]], { density: 0.5 })]));
  await raises("mixture_invalid", /"method"/, () => load([merged("m", 1, "darex", [["r2", 1]])]));
  const wrong = { ...stacked("r2", 1), sha256: "0".repeat(64) };
  await raises("checksum_mismatch", /"r2"/, () => load([wrong]));
  await raises("file_not_found", /nothing/, () => load([{ name: "x", adapter: `${TINY}/adapters/nothing` }]));
  const many = Array.from({ length: 9 }, (_, i) => ({ ...stacked("r2", 1), name: `p${i}` }));
  await raises("mixture_invalid", /9 adapters; this engine takes 8|9 adapters.*takes 8/, () => load(many));
  await raises("bad_request", /already names a loaded adapter/, () =>
    engine.loadMixture("r2", file([stacked("r3", 1)])),
  );
  assert.ok(!engine.listMixtures().some(({ name }) => name === "no"));
});
