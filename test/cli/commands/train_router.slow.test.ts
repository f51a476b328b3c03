// `molora train-router` and `eval` from end to end: what is learned on nano; on the tiny model files, the same again,
// resuming, extension.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { nodeHost } from "../../../node/host.ts";
import type { MlpGate } from "../../../router/mixture.ts";
import type { EvaluationReport, TrainingCurve } from "../../../training/evaluation/report.ts";
import { loadMixtureFolder } from "../../../training/frozen/load.ts";
import { ADAPTERS, BASE, MODEL, routerCase, SMALL, TWO } from "../router_case.ts";
import { json, molora, type Ran, start } from "../run.ts";

interface Trained {
  out: string;
  finished: boolean;
  curve: TrainingCurve;
  report?: EvaluationReport;
}

const given = routerCase();

const PATIENT = { timeout: 600_000 };

function train(out: string, ...flags: string[]): Promise<Ran> {
  return molora(command(out, ...flags));
}

function command(out: string, ...flags: string[]): string[] {
  return ["train-router", ...MODEL, ...TWO, ...SMALL, ...given.data, "--out", join(given.folder, out), ...flags];
}

async function tensors(out: string): Promise<Buffer> {
  return readFile(join(given.folder, out, "router.safetensors"));
}

test("on nano 60 steps teach every layer which domain a held-out text is in", PATIENT, async (t) => {
  const ran = await molora([
    ...["train-router", "--model", "models/nano"],
    ...["--adapter", "plus=models/nano/adapters/math", "--adapter", "query=models/nano/adapters/sql"],
    ...[...given.data, ...given.valid, "--out", join(given.folder, "learned")],
    ...[
      "--steps",
      "60",
      "--batch",
      "4",
      "--length",
      "64",
      "--seed",
      "5",
      "--valid-every",
      "60",
      "--no-report",
      "--json",
    ],
  ]);
  assert.equal(ran.code, 0, ran.stderr);
  const { steps, valid } = json<Trained>(ran).curve;
  assert.ok(steps[0].loss > 1, `knows nothing at the start, ln 3 nats: ${steps[0].loss}`);
  const [{ step, loss, agreement }] = valid;
  assert.equal(step, 60);
  // Seen: 0.128 nats, 95.4 %
  t.diagnostic(`after ${step} steps: ${loss.toFixed(3)} nats, ${(100 * agreement!).toFixed(1)} %`);
  assert.ok(loss <= 0.15, `loss ${loss}`);
  assert.ok(agreement! >= 0.94, `agreement ${agreement}`);
});

test("trains, writes a mixture that loads and a report, and does it again bit for bit", PATIENT, async () => {
  const ran = await train("one", "--steps", "6", ...given.valid, "--json");
  assert.equal(ran.code, 0, ran.stderr);
  const { finished, curve, report } = json<Trained>(ran);
  assert.ok(finished);
  assert.equal(curve.steps.length, 6);
  assert.ok(curve.steps.every(({ loss }) => Number.isFinite(loss)));
  assert.equal(curve.valid.length, 1);
  assert.match(report!.headline, /nats a token/);
  assert.deepEqual(report!.experts, ["base", "plus", "query"]);
  const names = (await readdir(join(given.folder, "one"))).sort();
  assert.deepEqual(names, ["mixture.json", "report.html", "report.json", "report.md", "router.safetensors"]);
  const page = await readFile(join(given.folder, "one", "report.html"), "utf8");
  assert.doesNotMatch(page, /(src|href)=|url\(|@import/, "the page asks the network for nothing");

  const { config } = await openModelFiles(await nodeHost().open(BASE));
  const { mixture, adapters } = await loadMixtureFolder(nodeHost(), "one", join(given.folder, "one"), config);
  assert.deepEqual(
    mixture.experts.map(({ name }) => name),
    ["base", "plus", "query"],
  );
  assert.equal(adapters.length, 2);

  assert.equal((await train("two", "--steps", "6", "--no-report")).code, 0);
  assert.ok((await tensors("one")).equals(await tensors("two")), "the same seed gives the same router");
});

test("interrupted and resumed, it ends where it would have ended", PATIENT, async () => {
  const steps = ["--steps", "60", "--no-report"];
  assert.equal((await train("whole", ...steps)).code, 0);
  const out = join(given.folder, "halves");
  const child = start(command("halves", ...steps, "--checkpoint-every", "5"));
  const closed = once(child, "close");
  child.stdout!.resume();
  const said = text(child.stderr!);
  while (!(await readdir(out).catch(() => [] as string[])).includes("checkpoint")) {
    if (child.exitCode !== null || child.signalCode !== null) assert.fail(`no checkpoint was seen: ${await said}`);
    await pause(20);
  }
  child.kill("SIGINT");
  const [code] = await closed;
  assert.equal(code, 0, await said);
  assert.deepEqual(await readdir(out), ["checkpoint"], "no mixture yet");

  const other = await train("halves", ...steps, "--resume", "--clip", "2");
  assert.equal(other.code, 2);
  assert.match(other.stderr, /another clip/);
  const resumed = await train("halves", ...steps, "--resume", "--json");
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.equal(json<Trained>(resumed).curve.steps.length, 60);
  assert.ok((await tensors("whole")).equals(await tensors("halves")));
  assert.deepEqual((await readdir(out)).sort(), ["mixture.json", "router.safetensors"]);
});

test("an extended mixture keeps every number but those of the new row", PATIENT, async () => {
  assert.equal((await train("old", "--steps", "4", "--no-report")).code, 0);
  const third = await given.rows("third", (n) => ({ prompt: `heal ${n}`, completion: `take ${n} pills` }));
  const out = join(given.folder, "extended");
  const from = ["--extend", join(given.folder, "old"), "--adapter", `third=${ADAPTERS}/r2`];
  const rows = [...given.data, "--data", `third=${third}`];
  const ran = await molora(["train-router", ...MODEL, ...from, ...SMALL, ...rows, "--out", out, "--steps", "4"]);
  assert.equal(ran.code, 0, ran.stderr);
  const { config } = await openModelFiles(await nodeHost().open(BASE));
  const [{ mixture: old }, { mixture: extended }] = await Promise.all(
    ["old", "extended"].map((name) => loadMixtureFolder(nodeHost(), name, join(given.folder, name), config)),
  );
  assert.deepEqual(
    extended.experts.map(({ name }) => name),
    ["base", "plus", "query", "third"],
  );
  assert.ok(old.router.type === "mlp" && extended.router.type === "mlp");
  for (const [i, gate] of extended.router.layers.entries()) {
    const kept: MlpGate = old.router.layers[i];
    assert.deepEqual(gate.fc1Weight, kept.fc1Weight);
    assert.deepEqual(gate.fc1Bias, kept.fc1Bias);
    assert.deepEqual(gate.fc2Weight.subarray(0, 3 * 8), kept.fc2Weight.subarray(0, 3 * 8));
    assert.deepEqual(gate.fc2Weight.subarray(4 * 8), kept.fc2Weight.subarray(3 * 8), "the switch row is last");
    assert.deepEqual([...gate.fc2Bias.subarray(0, 3), gate.fc2Bias[4]], [...kept.fc2Bias]);
    assert.notEqual(gate.fc2Bias[3], -4, "the new row learned");
  }
});

test("distils from rows without domains", PATIENT, async () => {
  const path = await given.rows("plain", (n) => ({ text: `some words and the number ${n}, and more words behind it` }));
  const ran = await molora([
    ...["train-router", ...MODEL, ...TWO, ...SMALL, "--data", path, "--out", join(given.folder, "distilled")],
    ...["--objective", "distill", "--steps", "3", "--memoryless", "--json"],
  ]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.ok(json<Trained>(ran).curve.steps.every(({ loss }) => loss > 0));
});

test(
  "eval: a uniform router is the uniform mixture, one label is one adapter, hindsight is never worse",
  PATIENT,
  async () => {
    const out = join(given.folder, "uniform");
    assert.equal((await molora(["make-router", ...MODEL, ...TWO, "--type", "uniform", "--out", out])).code, 0);
    const flags = [
      ...MODEL,
      "--mixture",
      join(given.folder, "uniform"),
      ...given.data,
      "--texts",
      "4",
      "--length",
      "48",
      "--json",
    ];
    const judged = await molora(["eval", ...flags]);
    assert.equal(judged.code, 0, judged.stderr);
    const { policies, sets } = json<EvaluationReport>(judged);
    const loss = (name: string, set: string) =>
      policies.find((policy) => policy.name === name)!.sets[set].all.loss.value;
    assert.ok(Object.keys(sets).includes("mixed"));
    assert.ok(
      Math.abs(loss("router", "mixed") - loss("uniform", "mixed")) < 1e-4,
      "the uniform router is the uniform mixture",
    );
    assert.equal(
      loss("label", "plus").toFixed(4),
      loss("adapter plus", "plus").toFixed(4),
      "one label: one adapter throughout",
    );
    for (const set of Object.keys(sets)) {
      assert.ok(loss("token-hindsight", set) <= loss("text-hindsight", set) + 1e-9);
      assert.ok(loss("text-hindsight", set) <= loss("base", set) + 1e-9);
    }
  },
);
