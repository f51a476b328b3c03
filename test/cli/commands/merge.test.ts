// `molora merge` as a person runs it: folders that load, bases that equal base plus adapter, clear refusals.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { MergeReport } from "../../../composition/merge/merge.ts";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { readFloats } from "../../../files/weights/floats.ts";
import { openPath } from "../../../node/files.ts";
import { json, molora } from "../run.ts";

const TINY = "test/fixtures/tiny/base";
const ADAPTERS = "test/fixtures/tiny/adapters";
let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "molora-merge-"));
});
after(() => rm(folder, { recursive: true, force: true }));

function args(out: string, method: string, adapters: readonly string[], ...more: string[]): string[] {
  const given = adapters.flatMap((adapter) => ["--adapter", adapter]);
  return ["merge", "--model", TINY, "--method", method, ...given, "--out", join(folder, out), "--json", ...more];
}

async function losses(...more: string[]): Promise<number[]> {
  const ran = await molora(["score", "--data", "docs/example.jsonl", "--json", ...more]);
  assert.equal(ran.code, 0, ran.stderr);
  const { totals } = json<{ totals: { use: string; nll: number; tokens: number }[] }>(ran);
  const sum = (use: string, of: "nll" | "tokens") =>
    totals.reduce((all, total) => all + (total.use === use ? total[of] : 0), 0);
  return [...new Set(totals.map(({ use }) => use))].map((use) => sum(use, "nll") / sum(use, "tokens"));
}

test("what is written is a PEFT folder that serves as the stack it was merged from", async () => {
  const ran = await molora(
    args("cat", "cat", [`a=${ADAPTERS}/r3:0.5`, `b=${ADAPTERS}/r2:-1.5`, `c=${ADAPTERS}/partial`]),
  );
  assert.equal(ran.code, 0, ran.stderr);
  const report = json<MergeReport>(ran);
  assert.deepEqual(
    report.adapters.map(({ name, weight }) => [name, weight]),
    [
      ["a", 0.5],
      ["b", -1.5],
      ["c", 1],
    ],
  );
  const config = JSON.parse(await readFile(join(folder, "cat", "adapter_config.json"), "utf8"));
  assert.deepEqual([config.r, config.lora_alpha, Object.keys(config.rank_pattern).length > 0], [5, 5, true]);

  const stack = ["a", "r3", "b", "r2", "c", "partial"];
  const named = stack.flatMap((name, i) => (i % 2 === 0 ? ["--adapter", `${name}=${ADAPTERS}/${stack[i + 1]}`] : []));
  const use = ["--use", "a=0.5,b=-1.5,c=1", "--use", "merged", "--use", "base"];
  const [stacked, merged, base] = await losses(
    "--model",
    TINY,
    ...named,
    "--adapter",
    `merged=${join(folder, "cat")}`,
    ...use,
  );
  assert.ok(Math.abs(stacked - merged) < 1e-4, `${stacked} ${merged}`);
  assert.ok(Math.abs(base - merged) > 1e-3, `${base} ${merged}`);
});

test("a seed gives the same folder again, another seed another", async () => {
  const adapters = [`a=${ADAPTERS}/r2`, `b=${ADAPTERS}/r8`];
  const files: Buffer[] = [];
  for (const [out, seed] of [
    ["one", "7"],
    ["again", "7"],
    ["other", "8"],
  ]) {
    const ran = await molora(
      args(out, "dare_ties_svd", adapters, "--density", "0.6", "--seed", seed, "--type", "bf16"),
    );
    assert.equal(ran.code, 0, ran.stderr);
    files.push(await readFile(join(folder, out, "adapter_model.safetensors")));
  }
  assert.ok(files[0].equals(files[1]) && !files[0].equals(files[2]));
});

test("--into-base: safetensors whose loss is the adapter's, all else bit for bit", async () => {
  const ran = await molora(args("base", "cat", [`a=${ADAPTERS}/r3:2`], "--into-base"));
  assert.equal(ran.code, 0, ran.stderr);
  const use = ["--adapter", `a=${ADAPTERS}/r3`, "--use", "a=2", "--use", "base"];
  const [served, bare] = await losses("--model", TINY, ...use);
  const [merged] = await losses("--model", join(folder, "base"), "--use", "base");
  assert.ok(Math.abs(served - merged) < 1e-3, `${served} ${merged}`);
  assert.ok(Math.abs(served - bare) > 3e-3);
  const [before, afterwards] = await Promise.all(
    [TINY, join(folder, "base")].map(async (path) => openModelFiles(await openPath(path))),
  );
  for (const name of ["model.embed_tokens.weight", "model.layers.0.input_layernorm.weight"]) {
    const [one, two] = await Promise.all(
      [before, afterwards].map(({ tensors }) => readFloats(tensors.tensors.get(name)!)),
    );
    assert.deepEqual(one, two);
  }
});

test("--into-base: nano's GGUF in f16 and q8_0, and as safetensors", async () => {
  const adapter = "models/nano/adapters/math";
  const [served] = await losses("--adapter", `a=${adapter}`, "--use", "a");
  for (const [kind, tolerance] of [
    ["f16", 5e-3],
    ["q8_0", 3e-2],
    ["safetensors", 5e-3],
  ] as const) {
    const how = kind === "safetensors" ? ["--format", kind] : ["--type", kind];
    const out = join(folder, kind);
    const ran = await molora([
      "merge",
      "--method",
      "cat",
      "--adapter",
      `a=${adapter}`,
      "--into-base",
      "--out",
      out,
      "--json",
      ...how,
    ]);
    assert.equal(ran.code, 0, ran.stderr);
    const { roundedAway } = json<{ intoBase: { roundedAway: number } }>(ran).intoBase;
    assert.ok(
      kind === "q8_0" ? roundedAway > 1e-3 && roundedAway < 0.5 : roundedAway < 5e-3,
      `${kind}: ${roundedAway}`,
    );
    const [merged] = await losses("--model", out, "--use", "base");
    assert.ok(Math.abs(served - merged) < tolerance, `${kind}: ${served} ${merged}`);
  }
});

test("an adapter of a quantised base is warned of: both precisions by name, and how far they are apart", async () => {
  const ran = await molora(
    args("qlora", "dare_linear_svd", [`a=${ADAPTERS}/r2`, `b=${ADAPTERS}/r8`], "--trained-on", "a=nf4"),
  );
  assert.equal(ran.code, 0, ran.stderr);
  const { warnings } = json<MergeReport>(ran);
  const found = /"a" was trained on a base in nf4, this one is stored in bf16|f32/.exec(warnings.join("\n"));
  assert.ok(found, warnings.join("\n"));
  assert.match(warnings.join("\n"), /would differ by \d+\.\d\d of what the adapter adds .* dare_linear_svd scales/s);
});

test("weights are learned on texts: soup lowers the loss, adamerging the entropy; darex looks at inputs", async () => {
  const adapters = ["math", "sql"].map((name) => `${name}=models/nano/adapters/${name}`);
  const given = adapters.flatMap((adapter) => ["--adapter", adapter]);
  const how = ["--data", "docs/example.jsonl", "--length", "48", "--batch", "6", "--json"];
  for (const method of ["soup", "adamerging"]) {
    const out = join(folder, method);
    const ran = await molora([
      "merge",
      "--method",
      method,
      ...given,
      ...how,
      "--steps",
      "8",
      "--lr",
      "0.1",
      "--out",
      out,
    ]);
    assert.equal(ran.code, 0, ran.stderr);
    const { losses, weights } = json<{ learned: { losses: number[]; weights: Record<string, number[]> } }>(ran).learned;
    // The six rows are every batch, so that losses of steps compare.
    assert.ok(losses.at(-1)! < losses[0] - 0.005, losses.join());
    const sums = Object.values(weights).map((own) => own.reduce((sum, weight) => sum + weight, 0));
    assert.ok(sums.length === 56 && (method !== "soup" || sums.every((sum) => Math.abs(sum - 1) < 1e-6)));
  }
  const out = join(folder, "darex");
  const ran = await molora([
    "merge",
    "--method",
    "darex",
    "--density",
    "0.3",
    ...given,
    ...how,
    "--rank",
    "8",
    "--out",
    out,
  ]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(json<MergeReport>(ran).ranks, [8]);
});

test("wrong use is refused before anything is computed", async () => {
  const cases: [string[], RegExp][] = [
    [args("x", "ties", [`a=${ADAPTERS}/r2`, `b=${ADAPTERS}/r8`]), /ties needs equal ranks/],
    [args("x", "cat", [`a=${ADAPTERS}/r2`], "--density", "0.5"), /cat has no density/],
    [args("x", "cat", [`a=${ADAPTERS}/r2`], "--data", "docs/example.jsonl"), /cat looks at no texts/],
    [args("x", "soup", [`a=${ADAPTERS}/r2`]), /soup needs texts/],
    [args("x", "cat", [`base=${ADAPTERS}/r2`]), /always means the base/],
    [args("x", "cat", [`a=${ADAPTERS}/r2`], "--trained-on", "b=nf4"), /--trained-on b=nf4/],
    [args("x", "cat", [`a=${ADAPTERS}/r2`], "--type", "q8_0"), /not stored in q8_0/],
    [args("x", "cat", [`a=${ADAPTERS}/r2`], "--into-base", "--format", "gguf"), /the base is no GGUF/],
    [
      args(".", "cat", [`a=${ADAPTERS}/r2`]).map((arg) => (arg === join(folder, ".") ? `${ADAPTERS}/r2` : arg)),
      /already has/,
    ],
  ];
  for (const [argv, reason] of cases) {
    const ran = await molora(argv);
    assert.equal(ran.code, 2, ran.stderr);
    assert.match(JSON.stringify(json(ran)), reason);
  }
});
