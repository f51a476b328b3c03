// molora on a real Ray on this machine: adapters stay where they are loaded, a killed replica's requests are asked again,
// replicas come and go with the load; and trainings as tasks. It is asked for: Ray finds a replica by probes with deadlines, which
// a machine that is busy with other tests misses. MOLORA_RAY_PYTHON names a Python that has deploy/ray/requirements.txt, or is
// "own": then one is made, once.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { pythonWith } from "../python_venv.ts";

const run = promisify(execFile);

/** Undefined, and the test skipped, where there can be none. */
async function python(t: TestContext): Promise<string | undefined> {
  const asked = process.env.MOLORA_RAY_PYTHON;
  if (asked === "own") return pythonWith(t, "ray", ["deploy/ray/requirements.txt"]);
  if (!asked) t.skip("Ray was NOT tried: MOLORA_RAY_PYTHON=own makes a Python with it");
  return asked || undefined;
}

interface Saw {
  affinity: [adapter: string, status: number, replica: string][];
  texts: Record<string, string[]>;
  base: string;
  unknown: { status: number; text: string };
  outside: { status: number };
  streamed: string;
  killed: { replicas: number; statuses: number[]; right: boolean; retried: number; replicas_after: number };
  scaled: { from: number; to: number; back: number };
  kept: string[];
}

test("affinity, loading on first use, a killed replica, scaling up and down", { timeout: 1_800_000 }, async (t) => {
  const executable = await python(t);
  if (executable === undefined) return;
  const port = String(await freePort());
  const { stdout } = await run(executable, ["test/deploy/ray_check.py", port], { timeout: 1_500_000 });
  const saw: Saw = JSON.parse(stdout.split("\n").find((line) => line.startsWith("{")) ?? "");

  assert.ok(saw.affinity.every(([, status]) => status === 200));
  const homes = new Map<string, string>();
  let hits = 0;
  for (const [adapter, , replica] of saw.affinity) {
    if (homes.get(adapter) === replica) hits++;
    homes.set(adapter, replica);
  }
  assert.ok(hits >= 0.9 * (saw.affinity.length - homes.size), `${hits} of ${saw.affinity.length} went home`);
  assert.equal(new Set(homes.values()).size, 2, "both replicas have some");
  const texts = Object.values(saw.texts);
  assert.ok(texts.every((different) => different.length === 1));
  assert.equal(new Set([...texts.flat(), saw.base]).size, 5, "each adapter says something of its own");
  assert.deepEqual([saw.unknown.status, saw.outside.status], [404, 404]);
  assert.match(saw.unknown.text, /unknown_model/);
  assert.equal(saw.streamed, "data: [DONE]");

  assert.equal(saw.killed.replicas, 2);
  assert.ok(saw.killed.statuses.every((status) => status === 200));
  assert.ok(saw.killed.right, "retried answers are the same");
  assert.ok(saw.killed.retried > 0, "some were on the replica that was killed");
  assert.equal(saw.killed.replicas_after, 2);

  assert.equal(saw.scaled.from, 1);
  assert.ok(saw.scaled.to >= 2);
  assert.equal(saw.scaled.back, 1);
  assert.equal(saw.kept.length, 1 + 3, "the base, and as many adapters as a replica keeps");
});

test("one adapter for each data set, as tasks; one that fails is told", { timeout: 1_800_000 }, async (t) => {
  const executable = await python(t);
  if (executable === undefined) return;
  const out = await mkdtemp(join(tmpdir(), "molora-ray-"));
  t.after(() => rm(out, { recursive: true }));
  const data = ["a=docs/example.jsonl", "b=docs/example.jsonl", "c=docs/missing.jsonl"];
  const shared = ["--model", "models/nano", "--out", out, "--molora", "node bin/molora.mjs", "--cpus", "1"];
  const argv = ["deploy/ray/train_adapters.py", ...shared, ...data.flatMap((each) => ["--data", each])];
  const passed = ["--", "--steps", "2", "--batch", "2", "--rank", "2"];
  const ran = await run(executable, [...argv, ...passed], { timeout: 1_500_000 }).catch((error) => error);
  assert.equal(ran.code, 1, ran.stderr);
  const reports = ran.stdout
    .trim()
    .split("\n")
    .filter((line: string) => line.startsWith("{"));
  assert.equal(reports.length, data.length, ran.stderr);
  const byName = new Map<string, { code: number; error?: string }>();
  for (const line of reports) byName.set(JSON.parse(line).name, JSON.parse(line));
  assert.deepEqual([byName.get("a")?.code, byName.get("b")?.code], [0, 0]);
  assert.match(byName.get("c")?.error ?? "", /missing\.jsonl/);
  for (const name of ["a", "b"]) {
    const config = JSON.parse(await readFile(join(out, name, "adapter_config.json"), "utf8"));
    assert.equal(config.r, 2);
  }
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
