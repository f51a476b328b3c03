// `molora serve` that is told to look ahead: what an earlier run was asked for is in memory before anybody asks, and lazy profiles that
// were needed are open.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { post } from "../../server/http/http_server.ts";
import { start } from "../run.ts";

const SETTINGS = `
port = 0
device = "cpu"
threads = 1
context = 512
pool-bytes = 33554432
preload = 2
adapters = ["models/nano/adapters"]
[profiles.now]
[profiles.later]
lazy = true
[profiles.never]
lazy = true
`;

async function run(t: TestContext, file: string, cache: string) {
  const child = start(["serve", "--json", "--config", file, "--disk-cache", cache]);
  t.after(() => child.kill("SIGKILL"));
  const [line] = await once(createInterface({ input: child.stdout! }), "line");
  const { port } = JSON.parse(line) as { port: number };
  const base = `http://127.0.0.1:${port}`;
  return {
    ask: async (model: string) => {
      const body = { model, prompt: "Add 2 and 3.", max_tokens: 6, temperature: 0, ignore_eos: true };
      const answer = await post(`${base}/v1/completions`, body);
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
    },
    models: async () => {
      const { data } = (await (await fetch(`${base}/v1/models`)).json()) as { data: { id: string }[] };
      return data.map(({ id }) => id).filter((id) => !/default|nano/.test(id));
    },
    metrics: async () => (await fetch(`${base}/metrics`)).text(),
    end: async () => {
      child.kill("SIGTERM");
      assert.deepEqual(await once(child, "close"), [0, null]);
    },
  };
}

test("adapters and lazy profiles that an earlier run needed are there before anybody asks", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "molora-preload-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "molora.toml");
  // Without nano's own adapters, which are loaded in any case.
  writeFileSync(file, `model = "./models/nano"\n${SETTINGS}`);
  const first = await run(t, file, join(folder, "cache"));
  assert.deepEqual(await first.models(), ["now", "later", "never"]);
  for (const model of ["now:sql", "now:sql", "now:math", "now:math", "now:math", "now:code", "later:medical"]) {
    await first.ask(model);
  }
  await first.end();

  const second = await run(t, file, join(folder, "cache"));
  let models: string[] = [];
  const deadline = performance.now() + 60_000;
  while (models.length < 6 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    models = await second.models();
  }
  assert.deepEqual(models.sort(), ["later", "later:medical", "never", "now", "now:math", "now:sql"]);
  const metrics = await second.metrics();
  assert.match(metrics, /molora_profile_open\{profile="later"\} 1/);
  assert.match(metrics, /molora_profile_open\{profile="never"\} 0/);
  assert.match(metrics, /molora_generated_tokens_total\{profile="now"\} 0/);
  await second.end();
});
