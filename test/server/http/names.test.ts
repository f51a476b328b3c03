// Names over HTTP: models that nobody loaded, the list of what lies where, compare and swap, adapters and mixtures sent as bytes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Engine } from "../../../node/index.ts";
import { type ServedEngine, serve } from "../../../server/http/serve.ts";
import { type Answer, post } from "./http_server.ts";

const NANO = "models/nano";
let engine: Engine;
let server: ServedEngine;

before(async () => {
  engine = await Engine.load({ model: NANO, sources: [`${NANO}/adapters`, `${NANO}/mixtures`] });
  const roots = { adapterRoot: `${NANO}/adapters`, mixtureRoot: `${NANO}/mixtures` };
  server = await serve(engine, { token: "t", ...roots });
});
after(async () => {
  await server.close();
  await engine.close();
});

const TOKEN = { authorization: "Bearer t" };
const complete = (model: string) =>
  post(`${server.baseUrl}/completions`, { model, prompt: "Add 2 and 3.", max_tokens: 4, temperature: 0 });
const choice = async (model: string) => ((await complete(model)).body.choices as { text: string }[])[0].text;
const admin = (path: string, body: unknown) => post(`${server.baseUrl}/${path}`, body, TOKEN);

interface Card {
  id: string;
  kind: string;
  generation: string;
  tier: string;
  users: number;
  pinned: boolean;
}

async function names(): Promise<Record<string, Card>> {
  const { data } = (await (await fetch(`${server.baseUrl}/lora_adapters`)).json()) as { data: Card[] };
  return Object.fromEntries(data.map((card) => [card.id, card]));
}

async function upload(
  name: string,
  folder: string,
  query = "",
  headers: Record<string, string> = TOKEN,
): Promise<Answer> {
  const form = new FormData();
  const files = folder.includes("mixtures")
    ? ["mixture.json", "router.safetensors"]
    : ["adapter_config.json", "adapter_model.safetensors"];
  for (const file of files) form.append("file", new Blob([readFileSync(`${folder}/${file}`)]), file);
  const response = await fetch(`${server.baseUrl}/lora_adapters/${name}${query}`, {
    method: "PUT",
    body: form,
    headers,
  });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

test("a model that nobody loaded is found by its name, an adapter as well as a mixture; one that is nowhere is not", async () => {
  assert.deepEqual(await names(), {});
  for (const model of ["nano:sql", "nano:default"]) assert.equal((await complete(model)).status, 200, model);
  const found = await names();
  assert.deepEqual([found.sql.kind, found.sql.tier, found.default.kind], ["adapter", "device", "mixture"]);
  const missing = await complete("nano:nothing");
  assert.deepEqual([missing.status, missing.body.error?.code], [404, "unknown_model"]);
  // Which folders, by their last names: where the server keeps its files is nobody's business.
  assert.match(
    missing.body.error!.message,
    /Asked in vain: adapters, mixtures; the next time after 10 s at the earliest/,
  );
  assert.match((await complete("sql")).body.error!.message, /Adapters and mixtures go by nano:NAME\./);
  const direct = await complete("nano|s3://bucket/x");
  assert.deepEqual([direct.status, direct.body.error?.code], [403, "not_permitted"]);
  assert.equal((await complete("nano|/etc")).body.error?.code, "bad_request");
});

test("an adapter is swapped by who knows its generation", async () => {
  const load = (more: object) => admin("load_lora_adapter", { lora_name: "x", ...more });
  const first = await load({ lora_path: "math", pinned: true });
  assert.equal(first.status, 200);
  const { generation, pinned } = (await names()).x;
  assert.ok(pinned);
  assert.equal((await load({ lora_path: "sql" })).body.error?.code, "bad_request");
  const wrong = await load({ lora_path: "sql", expected_generation: "0".repeat(64) });
  assert.deepEqual([wrong.status, wrong.body.error?.code], [409, "generation_mismatch"]);
  assert.equal((await load({ lora_path: "sql", expected_generation: null })).status, 409);
  assert.equal((await load({ lora_path: "sql", expected_generation: generation })).status, 200);
  assert.equal((await names()).x.generation, (await names()).sql.generation);
  const one = (await (await fetch(`${server.baseUrl}/lora_adapters/x`)).json()) as Card;
  assert.deepEqual([one.id, one.pinned], ["x", false]);
  const gone = await fetch(`${server.baseUrl}/lora_adapters/x`, { method: "DELETE", headers: TOKEN });
  assert.equal(gone.status, 200);
  assert.equal((await names()).x, undefined);
  assert.equal((await fetch(`${server.baseUrl}/lora_adapters/x`)).status, 404);
});

test("weights that a trainer sends are served, and swapped", async () => {
  assert.equal((await upload("pushed", `${NANO}/adapters/math`, "", {})).status, 403);
  const first = await upload("pushed", `${NANO}/adapters/math`, "?expected_generation=");
  assert.equal(first.status, 200, JSON.stringify(first.body));
  assert.equal(await choice("nano:pushed"), await choice("nano:math"));
  const { generation, pinned } = (await names()).pushed;
  assert.ok(pinned, "there is nowhere to read it from again");
  assert.equal((await upload("pushed", `${NANO}/adapters/sql`, "?expected_generation=")).status, 409);
  assert.equal((await upload("pushed", `${NANO}/adapters/sql`, `?expected_generation=${generation}`)).status, 200);
  assert.equal(await choice("nano:pushed"), await choice("nano:sql"));
  assert.equal((await upload("pushed", `${NANO}/adapters/sql`, "?pin=true")).status, 400);
});

test("a mixture that is sent routes among adapters that are loaded by their names", async () => {
  for (const name of ["math", "sql", "medical", "code"]) await complete(`nano:${name}`);
  const sent = await upload("mix", `${NANO}/mixtures/default`);
  assert.equal(sent.status, 200, JSON.stringify(sent.body));
  assert.equal(await choice("nano:mix"), await choice("nano:default"));
  assert.equal((await admin("load_mixture", { mixture_name: "mix", mixture_path: "default" })).status, 400);
  const again = { mixture_name: "mix", mixture_path: "default", load_inplace: true };
  assert.equal((await admin("load_mixture", again)).status, 200);
  assert.equal((await admin("unload_mixture", { mixture_name: "mix" })).status, 200);
});

test("a body that is no upload is refused by what is wrong with it", async () => {
  const put = async (body: string, type: string) => {
    const url = `${server.baseUrl}/lora_adapters/x`;
    const response = await fetch(url, { method: "PUT", body, headers: { ...TOKEN, "content-type": type } });
    return ((await response.json()) as Answer["body"]).error?.message ?? "";
  };
  assert.match(await put("{}", "application/json"), /it is "application\/json"/);
  assert.match(await put("nonsense", "multipart/form-data; boundary=x"), /not well formed/);
  const form = new FormData();
  form.append("file", new Blob(["x"]), "../../escape");
  const escaped = await fetch(`${server.baseUrl}/lora_adapters/x`, { method: "PUT", body: form, headers: TOKEN });
  assert.match(JSON.stringify(await escaped.json()), /is no file of an adapter/);
});
