// `molora merge` on nano: its GGUF with an adapter in it, and weights learned on texts.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { MergeReport } from "../../../composition/merge/merge.ts";
import { json, molora } from "../run.ts";

let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "molora-merge-"));
});
after(() => rm(folder, { recursive: true, force: true }));

async function losses(...more: string[]): Promise<number[]> {
  const ran = await molora(["score", "--data", "docs/example.jsonl", "--json", ...more]);
  assert.equal(ran.code, 0, ran.stderr);
  const { totals } = json<{ totals: { use: string; nll: number; tokens: number }[] }>(ran);
  const sum = (use: string, of: "nll" | "tokens") =>
    totals.reduce((all, total) => all + (total.use === use ? total[of] : 0), 0);
  return [...new Set(totals.map(({ use }) => use))].map((use) => sum(use, "nll") / sum(use, "tokens"));
}

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
    type Told = { losses: number[]; firstRows: number[]; weights: Record<string, number[]> };
    const { losses, firstRows, weights } = json<{ learned: Told }>(ran).learned;
    assert.equal(firstRows[0], losses[0]);
    assert.ok(firstRows[1] <= losses.at(-1)!, `${firstRows.join()} behind ${losses.join()}`);
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
