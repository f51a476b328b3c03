// `molora serve`: it says where it listens, streams to the real client, and ends cleanly when told to.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import type { ErrorMessage } from "../../../proto/api.ts";
import { MoloraClient } from "../../../proto/client.ts";
import { json, molora, start } from "../run.ts";

test("serves until interrupted; then clients are told and the port is free", async () => {
  const child = start(["serve", "--port", "0", "--json", "--drain-seconds", "0"]);
  const [line] = await once(createInterface({ input: child.stdout! }), "line");
  const { url, port } = JSON.parse(line) as { url: string; port: number };
  assert.match(url, new RegExp(`^ws://127\\.0\\.0\\.1:${port}/`));

  const client = await MoloraClient.connect(url);
  const experts = new Set<string>();
  for await (const event of client.generate({
    prompt: "Add 2 and 3.",
    mixture: "default",
    maxTokens: 4,
    trace: true,
  })) {
    if (event.type === "token") for (const { experts: chosen } of event.trace!) experts.add(chosen[0]);
  }
  assert.ok(experts.size > 0);
  await assert.rejects(client.loadAdapter("other"), { code: "not_permitted" });

  const endless = client.generate({ prompt: "Go on.", ignoreEos: true, maxTokens: 900 });
  await endless.next();
  child.kill("SIGTERM");
  await assert.rejects(async () => {
    while (!(await endless.next()).done);
  });
  const [code] = await once(child, "close");
  assert.equal(code, 0);
});

test("on SIGHUP what runs is finished first; the exit code is 0", async () => {
  const child = start(["serve", "--port", "0", "--json", "--drain-seconds", "120"]);
  const [line] = await once(createInterface({ input: child.stdout! }), "line");
  const { url, port } = JSON.parse(line) as { url: string; port: number };
  const client = await MoloraClient.connect(url);
  const running = client.generate({ prompt: "Go on.", ignoreEos: true, maxTokens: 100 });
  await running.next();
  child.kill("SIGHUP");
  const ready = async () => (await fetch(`http://127.0.0.1:${port}/ready`)).status;
  while ((await ready()) === 200);
  assert.equal(await ready(), 503);
  let last: unknown;
  for await (const event of running) last = event;
  assert.deepEqual((last as { usage: { completionTokens: number } }).usage.completionTokens, 100);
  assert.deepEqual(await once(child, "close"), [0, null]);
});

test("a second signal does not wait", async () => {
  const child = start(["serve", "--port", "0", "--json", "--drain-seconds", "600"]);
  const [line] = await once(createInterface({ input: child.stdout! }), "line");
  const client = await MoloraClient.connect((JSON.parse(line) as { url: string }).url);
  const running = client.generate({ prompt: "Go on.", ignoreEos: true, maxTokens: 900 });
  await running.next();
  child.kill("SIGTERM");
  for await (const said of createInterface({ input: child.stderr! })) if (/^closing: 1 running/.test(said)) break;
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "close"), [143, null]);
  await assert.rejects(async () => {
    while (!(await running.next()).done);
  });
});

/** What only the model and the device can tell. */
const BEYOND: [flags: string[], says: RegExp][] = [
  [["--context", "100000"], /contextLength is 100000, the model's own is 1024/],
  [["--pool-bytes", "1000000000000000"], /poolBytes is 1000000000000000, what this device can bind/],
  [["--max-sequences", "5000"], /maxSequences is 5000/],
  [["--adapter-root", "nowhere"], /--adapter-root nowhere does not exist/],
];

test("profiles of a file are engines of their own, under their names", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "molora-serve-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "molora.toml");
  await writeFile(file, `port = 0\ncontext = 512\n[profiles.legal]\n[profiles.short]\ncontext = 64\n[profiles.left]\n`);
  const child = start(["serve", "--config", file, "--json", "--profile", "legal", "--profile", "short"]);
  const [line] = await once(createInterface({ input: child.stdout! }), "line");
  const { port } = JSON.parse(line) as { port: number };
  const listed = await (await fetch(`http://127.0.0.1:${port}/v1/models`)).json();
  const bases = (listed as { data: { id: string; parent: string | null }[] }).data.filter(({ parent }) => !parent);
  assert.deepEqual(
    bases.map(({ id }) => id),
    ["legal", "short"],
  );
  const long = (model: string) =>
    fetch(`http://127.0.0.1:${port}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model, prompt: "a b c d ".repeat(40), max_tokens: 1 }),
    });
  assert.deepEqual([(await long("legal:sql")).status, (await long("short:sql")).status], [200, 400]);
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "close"), [0, null]);
  const unknown = await molora(["serve", "--config", file, "--profile", "shrt"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no profile "shrt".*\n.*Did you mean short\?/);
});

test("what cannot be ends the start with exit code 2, the reason and the remedy", async () => {
  for (const [flags, says] of BEYOND) {
    const ran = await molora(["serve", "--port", "0", ...flags]);
    assert.equal(ran.code, 2, `${flags.join(" ")}: ${ran.stderr}`);
    assert.match(ran.stderr, says);
    assert.match(ran.stderr, /^remedy: /m);
  }
});

test("a cache that cannot be written is a warning", async () => {
  const child = start(["serve", "--port", "0", "--json"], { MOLORA_CACHE: "/dev/null/cache" });
  const [said] = await once(createInterface({ input: child.stderr! }), "line");
  assert.match(said, /^warning: \/dev\/null\/cache cannot be written \(ENOTDIR\).*MOLORA_CACHE/);
  await once(createInterface({ input: child.stdout! }), "line");
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "close"), [0, null]);
});

test("administration for the whole network is refused", async () => {
  const ran = await molora(["serve", "--host", "0.0.0.0", "--admin", "--json"]);
  const { error } = json<{ error: ErrorMessage }>(ran);
  assert.deepEqual([ran.code, error.code], [2, "bad_arguments"]);
});

test("a port that is taken", async () => {
  const child = start(["serve", "--port", "0", "--json"]);
  const [line] = await once(createInterface({ input: child.stdout! }), "line");
  const ran = await molora(["serve", "--port", String((JSON.parse(line) as { port: number }).port), "--json"]);
  child.kill("SIGINT");
  assert.equal(json<{ error: ErrorMessage }>(ran).error.code, "bad_arguments");
  assert.deepEqual(await once(child, "close"), [0, null]);
});
