// What `molora train-router` and `make-router` refuse, and what make-router writes. Training itself: train_router.slow.test.ts.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { nodeHost } from "../../../node/host.ts";
import { loadMixtureFolder } from "../../../training/frozen/load.ts";
import { BASE, MODEL, routerCase, SMALL, TWO } from "../router_case.ts";
import { molora } from "../run.ts";

const given = routerCase();

test("what does not fit is said before any work", async () => {
  const cases: [flags: string[], code: number, said: RegExp][] = [
    [[...TWO, ...given.data.slice(0, 2)], 1, /no row of --data has the domain "query"/],
    [[...TWO, ...given.data, "--data", `medical=${given.data[1].split("=")[1]}`], 2, /no adapter is named "medical"/],
    [["--adapter", "plus=models/nano/adapters/math", ...given.data], 1, /error\[adapter_mismatch\]/],
    [[...TWO, ...given.data, "--hidden", "6"], 2, /multiple of 4/],
    [[...TWO, ...given.data, "--mix", "4..2"], 2, /--mix must be like 2..4/],
  ];
  for (const [flags, code, said] of cases) {
    const ran = await molora(["train-router", ...MODEL, ...flags, "--out", join(given.folder, "never")]);
    assert.equal(ran.code, code, ran.stderr);
    assert.match(ran.stderr, said);
  }
});

test("odd lines are named by number, and skipped or fatal by choice", async () => {
  const path = join(given.folder, "odd.jsonl");
  const row = JSON.stringify({ prompt: "add 1", completion: "2", domain: "plus" });
  await writeFile(path, [row, "{not json", row, JSON.stringify({ text: "whose?" })].join("\n"));
  const flags = [
    ...MODEL,
    ...TWO,
    ...SMALL,
    ...given.data,
    "--data",
    path,
    "--out",
    join(given.folder, "odd"),
    "--steps",
    "1",
  ];
  const failed = await molora(["train-router", ...flags]);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /odd\.jsonl line 2/);
  const skipped = await molora(["train-router", ...flags, "--on-bad-row", "skip"]);
  assert.equal(skipped.code, 0, skipped.stderr);
  assert.match(skipped.stderr, /left out: odd\.jsonl line 2/);
  assert.match(skipped.stderr, /left out: odd\.jsonl line 4 has no domain/);
});

test("make-router's mixtures load", async () => {
  const { config } = await openModelFiles(await nodeHost().open(BASE));
  const kinds: string[][] = [["arrow"], ["uniform"], ["vocabulary", "--range", "0..50=plus", "--default", "query"]];
  for (const [type, ...flags] of kinds) {
    const out = join(given.folder, type);
    const ran = await molora(["make-router", ...MODEL, ...TWO, "--type", type, "--out", out, ...flags]);
    assert.equal(ran.code, 0, ran.stderr);
    const { mixture } = await loadMixtureFolder(nodeHost(), type, out, config);
    assert.equal(mixture.router.type, type);
  }
  const wrong = await molora([
    "make-router",
    ...MODEL,
    ...TWO,
    "--type",
    "vocabulary",
    "--range",
    "0..9=x",
    "--out",
    "x",
  ]);
  assert.equal(wrong.code, 2);
});
