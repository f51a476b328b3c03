// `molora recipe`: a file that states its parts' generations, what it comes to, and the same text as the stack made by hand.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { MixtureReport } from "../../../proto/api.ts";
import { json, molora } from "../run.ts";

const NANO = "models/nano";
const adapter = (name: string) => `${name}=${NANO}/adapters/${name}`;
let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "molora-recipe-"));
});
after(() => rm(folder, { recursive: true }));

test("made, checked, and used by its name: what the merge and the stack made by hand say", async () => {
  const out = join(folder, "alice.json");
  const merge = ["--merge", `${adapter("math")}:0.5`, "--merge", `${adapter("sql")}:0.25`];
  const parts = [...merge, "--method", "cat", "--name", "domain", "--weight", "0.5", "--adapter", adapter("code")];
  const made = await molora(["recipe", "make", ...parts, "--out", out]);
  assert.equal(made.code, 0, made.stderr);
  const written = JSON.parse(await readFile(out, "utf8"));
  assert.deepEqual([written.format, written.parts.length], ["molora-recipe/1", 2]);
  for (const one of [...written.parts[0].merge.adapters, written.parts[1]]) assert.match(one.sha256, /^[0-9a-f]{64}$/);

  const checked = await molora(["recipe", "check", out, "--json"]);
  assert.equal(checked.code, 0, checked.stderr);
  const report = json<MixtureReport>(checked);
  assert.deepEqual(
    report.parts!.map(({ name, kind, weight }) => [name, kind, weight]),
    [
      ["domain", "merged", 0.5],
      ["code", "stacked", 1],
    ],
  );
  const shown = await molora(["recipe", "check", out]);
  assert.match(shown.stdout, /domain +merged +0\.5 .*cat: 0\.5 math \+ 0\.25 sql/);

  // cat is exact, so that the stack of the same weights says the same.
  const ask = ["generate", "--prompt", "How many singers are there?", "--max-tokens", "12", "--temperature", "0"];
  const byName = await molora([...ask, "--recipe", `alice=${out}`, "--use", "alice"]);
  const byHand = await molora([...ask, "--use", "math=0.25,sql=0.125,code=1"]);
  assert.equal(byName.code, 0, byName.stderr);
  assert.ok(byHand.stdout.trim().length > 0);
  assert.equal(byName.stdout, byHand.stdout);
});

test("what cannot be is refused before a device is opened", async () => {
  const refused: [args: string[], says: RegExp][] = [
    [[], /it is not said what to do/],
    [["check"], /it is not said what to do/],
    [["make"], /the recipe has no part/],
    [["make", "--adapter", adapter("sql"), "--merge", adapter("math"), "--name", "sql"], /two parts are named "sql"/],
    [["make", "--merge", adapter("sql"), "--method", "cat", "--density", "0.5"], /cat has no density/],
    [["make", "--merge", adapter("sql"), "--method", "darex"], /must be one of/],
    [["make", "--adapter", `base=${NANO}/adapters/sql`], /always means the base/],
    [["generate"], /it is not said/],
  ];
  for (const [args, says] of refused) {
    const { code, stderr } = await molora(["recipe", ...args, "--out", join(folder, "x.json")]);
    assert.equal(code, 2, `${args}: ${stderr}`);
    assert.match(stderr, says);
  }
});

test("a part that is not what the file states is refused", async () => {
  const out = join(folder, "stale.json");
  await molora(["recipe", "make", "--adapter", adapter("sql"), "--out", out]);
  const stale = (await readFile(out, "utf8")).replace(/"sha256": "../, '"sha256": "00');
  await writeFile(out, stale);
  const { code, stderr } = await molora(["recipe", "check", out]);
  assert.equal(code, 1);
  assert.match(stderr, /checksum_mismatch.*sql/);
});
