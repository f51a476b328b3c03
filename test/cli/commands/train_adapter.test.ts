// `molora train-adapter` as a person runs it: a folder that is served, an interruption that costs nothing, clear refusals.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { json, molora, start } from "../run.ts";

const MODEL = "test/fixtures/tiny/base";
let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "molora-adapter-"));
  const rows = Array.from({ length: 12 }, (_, i) => ({ prompt: `say ${i}`, completion: `${i} and ${i + 1}` }));
  await writeFile(join(folder, "train.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  await writeFile(join(folder, "odd.jsonl"), `${JSON.stringify(rows[0])}\n{"nothing": 1}\n`);
});
after(() => rm(folder, { recursive: true, force: true }));

function args(out: string, ...more: string[]): string[] {
  const data = join(folder, "train.jsonl");
  const common = ["train-adapter", "--model", MODEL, "--out", join(folder, out), "--json"];
  const size = ["--rank", "4", "--alpha", "8", "--batch", "4", "--length", "48", "--lr", "0.01", "--warmup", "2"];
  const rows = more.includes("--data") ? [] : ["--data", data];
  return [...common, ...size, "--target-modules", "q_proj,down_proj", "--layers", "1-2", ...rows, ...more];
}

test("trains on completions to a PEFT folder that lowers the loss and is served", async () => {
  const valid = ["--valid", join(folder, "train.jsonl"), "--steps", "12"];
  const ran = await molora(args("whole", ...valid));
  assert.equal(ran.code, 0, ran.stderr);
  const { validations, steps } = json<{ validations: { step: number; loss: number }[]; steps: unknown[] }>(ran);
  assert.deepEqual(
    validations.map(({ step }) => step),
    [0, 12],
  );
  assert.ok(validations[1].loss < validations[0].loss - 0.5, JSON.stringify(validations));
  assert.equal(steps.length, 12);
  const config = JSON.parse(await readFile(join(folder, "whole", "adapter_config.json"), "utf8"));
  assert.deepEqual([config.r, config.lora_alpha], [4, 8]);

  const use = ["--adapter", `mine=${join(folder, "whole")}`, "--use", "base", "--use", "mine", "--json"];
  const scored = await molora(["score", "--model", MODEL, "--data", join(folder, "train.jsonl"), ...use]);
  assert.equal(scored.code, 0, scored.stderr);
  const { totals } = json<{ totals: { tokens: number; nll: number }[] }>(scored);
  for (const [i, { tokens, nll }] of totals.entries()) {
    assert.ok(
      Math.abs(nll / tokens - validations[i].loss) < 1e-3,
      `${nll / tokens}, training had ${validations[i].loss}`,
    );
  }
});

test("Ctrl-C leaves a checkpoint, from which --resume comes to the same adapter", async () => {
  const child = start(args("broken", "--steps", "30"));
  child.stdin!.end();
  for await (const text of child.stderr!) if (String(text).includes("training")) break;
  child.kill("SIGINT");
  child.stderr!.resume();
  const [code] = await once(child, "close");
  assert.equal(code, 1);
  const again = await molora(args("broken", "--steps", "30"));
  assert.equal(again.code, 2, "a folder with a checkpoint is not written over");
  const other = await molora(args("broken", "--steps", "30", "--resume", "--seed", "3"));
  assert.match(other.stdout, /begun with seed 0/);
  const resumed = await molora(args("broken", "--steps", "30", "--resume"));
  assert.equal(resumed.code, 0, resumed.stderr + resumed.stdout);
  assert.equal((await molora(args("unbroken", "--steps", "30"))).code, 0);
  const [left, right] = ["broken", "unbroken"].map((name) => readFile(join(folder, name, "adapter_model.safetensors")));
  assert.deepEqual(await left, await right);
});

test("what makes no sense is refused before any work", async () => {
  const cases: [string[], number, RegExp][] = [
    [["--target-modules", "q_prj"], 2, /given twice/],
    [["--data", join(folder, "odd.jsonl")], 1, /odd\.jsonl line 2/],
    [["--data", join(folder, "absent.jsonl")], 1, /absent\.jsonl/],
  ];
  for (const [more, code, message] of cases) {
    const ran = await molora(args("none", ...more));
    assert.equal(ran.code, code, ran.stdout);
    assert.match(ran.stdout, message);
  }
  const plain = ["train-adapter", "--model", MODEL, "--data", join(folder, "train.jsonl"), "--json"];
  const out = ["--out", join(folder, "none")];
  const misspelt = await molora([...plain, ...out, "--target-modules", "q_prj"]);
  assert.match(misspelt.stdout, /Did you mean q_proj/);
  assert.match((await molora([...plain, ...out, "--layers", "2-4"])).stdout, /numbers from 0 to 3/);
  assert.equal((await molora(plain)).code, 2);
});

test("--after goes on from an adapter, in its shape, and of several from the one that fits; training.json tells the tree", async () => {
  interface Told {
    validations: { loss: number }[];
    steps: { penalty?: number }[];
    after?: { path: string; hash: string }[];
    compared?: { path?: string; loss: number }[];
  }
  const other = join(folder, "other.jsonl");
  const rows = Array.from({ length: 12 }, (_, i) => ({ prompt: `say ${i}`, completion: "no, never so" }));
  await writeFile(other, rows.map((row) => JSON.stringify(row)).join("\n"));
  const data = join(folder, "train.jsonl");
  const valid = ["--valid", data, "--steps", "12"];
  const first = await molora(args("task1", ...valid, "--importance", "4"));
  assert.equal(first.code, 0, first.stdout);
  const learned = json<Told>(first).validations[1].loss;

  const after = (out: string, ...more: string[]) => {
    const small = ["--batch", "4", "--length", "48", "--lr", "0.01", "--warmup", "2", "--json"];
    return molora(["train-adapter", "--model", MODEL, "--out", join(folder, out), ...small, ...more]);
  };
  const task1 = join(folder, "task1");
  const onward = ["--data", other, ...valid, "--after", task1];
  const free = json<Told>(await after("free", ...onward, "--keep", "0"));
  const held = json<Told>(await after("held", ...onward, "--keep", "1", "--importance", "4"));
  // Both begin where the first task ended, and are taught to contradict it; the one that is held forgets less of it.
  for (const { validations } of [free, held]) assert.ok(Math.abs(validations[0].loss - learned) < 1e-4);
  assert.ok(
    held.validations[1].loss < free.validations[1].loss,
    JSON.stringify([free, held].map((run) => run.validations)),
  );
  assert.equal(free.steps[5].penalty, undefined);
  assert.ok(held.steps[5].penalty! > 0);

  const third = json<Told>(await after("third", "--data", other, "--steps", "2", "--after", join(folder, "held")));
  assert.deepEqual(
    third.after!.map(({ path }) => path),
    [join(folder, "held"), task1],
  );
  const several = ["--after", task1, "--after", join(folder, "free")];
  const chosen = json<Told>(await after("chosen", "--data", other, "--steps", "2", ...several));
  assert.equal(chosen.compared!.length, 3);
  assert.equal(chosen.after![0].path, join(folder, "free"), "it was trained on the same rows");

  const shaped = await after("none", ...onward, "--rank", "8");
  assert.equal(shaped.code, 2);
  assert.match(shaped.stdout, /--rank is given beside --after/);
  await writeFile(
    join(folder, "free", "importance.safetensors"),
    await readFile(join(task1, "adapter_model.safetensors")),
  );
  const stale = await after("none", "--data", other, "--steps", "2", "--after", join(folder, "free"));
  assert.match(stale.stdout, /data_invalid.*importance\.safetensors/);
});
