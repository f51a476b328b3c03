// `molora compress`: a set on disk, an adapter added with the factors kept, and what is refused.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openCompressedSet } from "../../../cli/compress/open_set.ts";
import { deltaOf } from "../../../composition/deltas.ts";
import { squaredNorm, weightedSum } from "../../../composition/linear/factored.ts";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { nodeHost } from "../../../node/host.ts";
import { loadAdapterFolder } from "../../../training/frozen/load.ts";
import { ADAPTERS, BASE, MODEL } from "../router_case.ts";
import { json, molora } from "../run.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "molora-compress-"));
});
after(() => rm(folder, { recursive: true }));

interface Told {
  adapters: { name: string; cluster: number; error: number }[];
  bytes: { plain: number; shared: number; cores: number };
}

const TWO = ["--adapter", `small=${ADAPTERS}/r2`, "--adapter", `large=${ADAPTERS}/r8`];

test("a set is written, reported, and grows without a change to what it has", async () => {
  const [first, grown] = [join(folder, "first"), join(folder, "grown")];
  const made = await molora(["compress", ...MODEL, ...TWO, "--rank", "10", "--out", first, "--json"]);
  assert.equal(made.code, 0, made.stderr);
  const told = json<Told>(made);
  assert.deepEqual(
    told.adapters.map(({ name }) => name),
    ["small", "large"],
  );
  // Rank 10 holds both ranks.
  for (const { name, error } of told.adapters) assert.ok(error < 1e-6, `${name} loses ${error}`);
  assert.ok(told.bytes.cores < told.bytes.plain);

  const add = ["compress", ...MODEL, "--add", first, "--adapter", `third=${ADAPTERS}/r3`, "--out", grown];
  const added = await molora([...add, "--keep-factors", "--json"]);
  assert.equal(added.code, 0, added.stderr);
  assert.ok(json<Told>(added).adapters[2].error > 0.1, "factors of others keep little of it");
  const { config } = await openModelFiles(await nodeHost().open(BASE));
  const [before, after] = [await openCompressedSet(first, config), await openCompressedSet(grown, config)];
  assert.deepEqual(after.factors, before.factors);
  assert.deepEqual(after.members.slice(0, 2), before.members);
  assert.equal(after.origins.length, 3);

  const anew = await molora([...add, "--rank", "16", "--json"]);
  assert.equal(anew.code, 0, anew.stderr);
  for (const { name, error } of json<Told>(anew).adapters) assert.ok(error < 1e-3, `${name} loses ${error}`);
});

test("diagonal cores are written, and grow with the factors kept", async () => {
  const [first, grown] = [join(folder, "diagonal"), join(folder, "diagonal-grown")];
  const rank = ["--rank", "6", "--core", "diagonal"];
  const made = await molora(["compress", ...MODEL, ...TWO, ...rank, "--out", first, "--json"]);
  assert.equal(made.code, 0, made.stderr);
  const { config } = await openModelFiles(await nodeHost().open(BASE));
  const set = await openCompressedSet(first, config);
  assert.equal(set.core, "diagonal");
  // What is read back and multiplied out differs from the adapter by the error that was told.
  const { adapters } = json<Told>(made);
  for (const [i, name] of ["r2", "r8"].entries()) {
    const plain = await loadAdapterFolder(nodeHost(), name, `${ADAPTERS}/${name}`, config);
    const [mine, theirs] = [set.adapters[i], plain].map((adapter) =>
      adapter.layers.flatMap((layer) => Object.entries(layer).map(([, lora]) => deltaOf(lora))),
    );
    let [lost, all] = [0, 0];
    for (const [k, delta] of theirs.entries()) {
      const rest = weightedSum([delta, mine[k]], [1, -1]);
      lost += squaredNorm(rest);
      all += squaredNorm(delta);
    }
    assert.ok(Math.abs(Math.sqrt(lost / all) - adapters[i].error) < 1e-4, `${name}: ${adapters[i].error}`);
  }
  const add = ["compress", ...MODEL, "--add", first, "--adapter", `third=${ADAPTERS}/r3`, "--keep-factors"];
  const added = await molora([...add, "--out", grown, "--json"]);
  assert.equal(added.code, 0, added.stderr);
  const after = await openCompressedSet(grown, config);
  assert.deepEqual(after.members.slice(0, 2), set.members);
  assert.equal(after.core, "diagonal");
  const other = await molora([...add, "--core", "full", "--out", grown]);
  assert.equal(other.code, 2);
  assert.match(other.stderr, /has diagonal cores/);
});

test("what cannot be is refused", async () => {
  const out = ["--out", join(folder, "never")];
  const cases: [flags: string[], said: RegExp][] = [
    [["compress", ...MODEL, ...TWO], /--out is missing/],
    [["compress", ...MODEL, ...TWO, "--keep-factors", ...out], /--keep-factors is given without --add/],
    [
      ["compress", ...MODEL, "--add", join(folder, "first"), ...TWO.slice(0, 2), ...out],
      /has an adapter "small" already/,
    ],
  ];
  for (const [flags, said] of cases) {
    const ran = await molora(flags);
    assert.equal(ran.code, 2, ran.stderr);
    assert.match(ran.stderr, said);
  }
});
