// Recipes of a server: a model's name over HTTP, a mixture's over WebSocket, loaded at run time like adapters.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { Engine } from "../../node/index.ts";
import { MoloraClient } from "../../proto/client.ts";
import { type ServedEngine, serve } from "../../server/http/serve.ts";
import { raises } from "../raises.ts";
import { post } from "./http/http_server.ts";

const ADAPTERS = resolve("models/nano/adapters");
const folder = mkdtempSync(join(tmpdir(), "molora-recipes-"));
const TOKEN = { authorization: "Bearer t" };
let engine: Engine;
let server: ServedEngine;

function write(name: string, weight: number): string {
  const stacked = (part: string, share: number) => ({ name: part, adapter: `${ADAPTERS}/${part}`, weight: share });
  const merge = { method: "cat", adapters: [stacked("math", 0.5), stacked("sql", 0.5)] };
  const parts = [{ name: "domain", weight, merge }, stacked("code", 0.5)];
  writeFileSync(join(folder, name), JSON.stringify({ format: "molora-recipe/1", parts }));
  return join(folder, name);
}

before(async () => {
  engine = await Engine.load({ recipes: { alice: write("alice.json", 1) } });
  server = await serve(engine, { token: "t", mixtureRoot: folder });
});
after(async () => {
  await server.close();
  await engine.close();
  rmSync(folder, { recursive: true });
});

const ask = { prompt: "How many singers are there?", max_tokens: 8, temperature: 0 };

async function complete(model: string): Promise<string> {
  const { status, body } = await post(`${server.baseUrl}/completions`, { model, ...ask });
  assert.equal(status, 200, JSON.stringify(body));
  return (body.choices as { text: string }[])[0].text;
}

test("over HTTP a recipe is a model, listed with its generation", async () => {
  const { data } = (await (await fetch(`${server.baseUrl}/models`)).json()) as {
    data: { id: string; molora: { parts?: { name: string; hash: string }[] } }[];
  };
  const { molora } = data.find(({ id }) => id === "nano:alice")!;
  assert.deepEqual(
    molora.parts!.map(({ name, hash }) => [name, hash.length]),
    [
      ["domain", 64],
      ["code", 64],
    ],
  );
  let byHand = "";
  const adapters = [
    { id: "math", weight: 0.5 },
    { id: "sql", weight: 0.5 },
    { id: "code", weight: 0.5 },
  ];
  for await (const event of engine.generate({ prompt: ask.prompt, raw: true, adapters, maxTokens: 8 }))
    byHand += event.text;
  assert.equal(await complete("nano:alice"), byHand);
});

test("it is loaded, replaced and unloaded at run time, over HTTP and over WebSocket", async (t) => {
  write("bob.json", 2);
  const load = (body: object) => post(`${server.baseUrl}/load_mixture`, body, TOKEN);
  const { status, body } = await load({ mixture_name: "bob", mixture_path: "bob.json" });
  assert.equal(status, 200, JSON.stringify(body));
  const loaded = body.mixture as { parts: { name: string; hash: string }[]; hash: string };
  assert.deepEqual(
    loaded.parts.map(({ name }) => name),
    ["domain", "code"],
  );
  await complete("nano:bob");

  const client = await MoloraClient.connect(server.url, { token: "t" });
  t.after(() => client.close());
  const carol = await client.loadMixture("carol", "bob.json");
  assert.equal(carol.hash, loaded.hash, "the same parts under another name");
  const events = [];
  for await (const event of client.generate({ prompt: ask.prompt, mixture: "carol", maxTokens: 4, trace: true })) {
    events.push(event);
  }
  const [first, last] = [events[0], events.at(-1)!];
  assert.ok(first.type === "token" && last.type === "done");
  assert.deepEqual(first.trace![0], { experts: ["domain", "code"], gates: [2, 0.5] });
  assert.deepEqual(
    last.generations.slice(1).map(({ name, hash }) => [name, hash]),
    [["carol", carol.hash], ...loaded.parts.map(({ name, hash }) => [name, hash])],
  );
  const { mixtures } = await client.stats();
  assert.deepEqual(
    mixtures.find(({ name }) => name === "carol")!.parts!.map(({ name }) => name),
    ["domain", "code"],
  );
  await client.unloadMixture("carol");
  await raises("unknown_mixture", /carol/, async () => {
    for await (const _ of client.generate({ prompt: "x", mixture: "carol" }));
  });
});
