// `molora make-router --type keys`: keys from texts, experts added and taken out again to the same files, and what is refused.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { nodeHost } from "../../../node/host.ts";
import type { KeyLayer } from "../../../router/mixture.ts";
import { loadMixtureFolder } from "../../../training/frozen/load.ts";
import { ADAPTERS, BASE, MODEL, routerCase } from "../router_case.ts";
import { json, molora } from "../run.ts";

const given = routerCase();
const PLUS = ["--adapter", `plus=${ADAPTERS}/r8`];
const QUERY = ["--adapter", `query=${ADAPTERS}/r16`];
const KEYS = ["make-router", ...MODEL, "--type", "keys", "--texts", "8", "--length", "48"];

function dataOf(...domains: string[]): string[] {
  return domains.flatMap((domain) => ["--data", `${domain}=${join(given.folder, `${domain}.jsonl`)}`]);
}

async function bytesOf(folder: string): Promise<string[]> {
  const files = ["mixture.json", "router.safetensors"].map((file) => readFile(join(folder, file), "latin1"));
  return Promise.all(files);
}

test("keys are made, extended and restored to the same bytes", async () => {
  const [first, edited, restored] = ["keyed", "edited", "restored"].map((name) => join(given.folder, name));
  const made = await molora([...KEYS, ...PLUS, ...dataOf("plus", "base"), "--out", first, "--json"]);
  assert.equal(made.code, 0, made.stderr);
  const { keys } = json<{ keys: { expert: string; met: number; mistaken: number }[] }>(made);
  assert.equal(keys.length, 1);
  assert.ok(keys[0].met >= 0.9, `${keys[0].met} of its own tokens meet the key`);
  assert.ok(keys[0].mistaken < keys[0].met);

  const added = await molora([...KEYS, "--extend", first, ...QUERY, ...dataOf("query"), "--out", edited]);
  assert.equal(added.code, 0, added.stderr);
  const { config } = await openModelFiles(await nodeHost().open(BASE));
  const load = async (folder: string) => (await loadMixtureFolder(nodeHost(), "m", folder, config)).mixture;
  const [before, after] = [await load(first), await load(edited)];
  assert.deepEqual(
    after.experts.map(({ name }) => name),
    ["base", "plus", "query"],
  );
  assert.ok(before.router.type === "keys" && after.router.type === "keys");
  const grownLayers: readonly KeyLayer[] = after.router.layers;
  for (const [i, layer] of before.router.layers.entries()) {
    const grown = grownLayers[i];
    assert.deepEqual(grown.keys.subarray(0, layer.keys.length), layer.keys);
    assert.deepEqual(grown.center, layer.center);
    assert.deepEqual(grown.thresholds.subarray(0, 2), layer.thresholds);
    const own = grown.keys.subarray(layer.keys.length);
    assert.ok(Math.abs(Math.hypot(...own) - 1) < 1e-5);
  }

  const removed = await molora([...KEYS, "--extend", edited, "--remove", "query", "--out", restored]);
  assert.equal(removed.code, 0, removed.stderr);
  assert.deepEqual(await bytesOf(restored), await bytesOf(first));
});

test("what cannot be is refused", async () => {
  const out = ["--out", join(given.folder, "never")];
  const cases: [flags: string[], said: RegExp][] = [
    [[...KEYS, ...PLUS, ...dataOf("base"), ...out], /--data has no row of "plus"/],
    [[...KEYS, ...PLUS, ...dataOf("plus"), "--remove", "plus", ...out], /--remove is given without --extend/],
    [["make-router", ...MODEL, ...PLUS, ...dataOf("plus"), ...out], /--data is for --type keys, not arrow/],
  ];
  for (const [flags, said] of cases) {
    const ran = await molora(flags);
    assert.equal(ran.code, 2, ran.stderr);
    assert.match(ran.stderr, said);
  }
});
