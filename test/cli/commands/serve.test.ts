// `molora serve`: it says where it listens, streams to the real client, and ends cleanly when told to.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import type { ErrorMessage } from "../../../proto/api.ts";
import { MoloraClient } from "../../../proto/client.ts";
import { json, molora, start } from "../run.ts";

test("serves until interrupted; then clients are told and the port is free", async () => {
  const child = start(["serve", "--port", "0", "--json"]);
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
