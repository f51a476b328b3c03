// `molora train-router --objective lm`: a mixture to begin from, a mixture as result, clear refusals.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { json, molora } from "../run.ts";

const START = "test/fixtures/tiny/mixtures/belief-top2-unit";

test("refines a mixture end to end: its experts and rule stay, its loss falls", async () => {
  const folder = await mkdtemp(join(tmpdir(), "molora-lm-"));
  try {
    const data = join(folder, "texts.jsonl");
    const rows = Array.from({ length: 8 }, (_, i) => ({ text: `the ${i} of ${i + 1} is what ${i + 2} was` }));
    await writeFile(data, rows.map((row) => JSON.stringify(row)).join("\n"));
    const train = ["train-router", "--model", "test/fixtures/tiny/base", "--objective", "lm", "--data", data, "--json"];
    const out = join(folder, "refined");
    const size = ["--batch", "4", "--length", "32", "--steps", "12", "--warmup", "1", "--mix", "1..1", "--no-report"];
    const more = ["--valid", data, "--valid-every", "1", "--lr", "0.02", "--balance", "0.001", "--z-loss", "0.001"];
    const ran = await molora([...train, "--start", START, "--out", out, ...size, ...more]);
    assert.equal(ran.code, 0, ran.stderr + ran.stdout);
    const { curve } = json<{ curve: { valid: { loss: number }[] } }>(ran);
    const losses = curve.valid.map(({ loss }) => loss);
    assert.ok(losses.at(-1)! < losses[0] - 0.05, String(losses));
    const read = async (path: string) => JSON.parse(await readFile(join(path, "mixture.json"), "utf8"));
    const [before, after] = [await read(START), await read(out)];
    assert.deepEqual(after.router, before.router);
    const names = (mixture: typeof before) => mixture.experts.map(({ name }: { name: string }) => name);
    assert.deepEqual(names(after), names(before));

    const refused = await molora([...train, "--out", join(folder, "other")]);
    assert.equal(refused.code, 2);
    assert.match(refused.stdout, /needs --start/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
