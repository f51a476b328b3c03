// Several engines of one base on one port: a model's id says which is meant, and each has names, limits and keys of its own.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Engine } from "../../../node/index.ts";
import { MoloraClient } from "../../../proto/client.ts";
import { serveProfiles } from "../../../server/http/serve.ts";
import { hashOf } from "../../../server/keys/key_record.ts";
import { Keyring } from "../../../server/keys/keyring.ts";
import { raises } from "../../raises.ts";
import { post } from "./http_server.ts";

const SMALL = { poolBytes: 32 * 2 ** 20, contextLength: 512 };
const FOLDER = "models/nano/adapters";
const [calc, query] = await Promise.all([
  Engine.load({ model: "models/nano", adapters: { expert: `${FOLDER}/math` }, ...SMALL }),
  Engine.load({
    model: "models/nano",
    adapters: { expert: `${FOLDER}/sql` },
    ...SMALL,
    contextLength: 256,
    maxQueue: 1,
  }),
]);
const key = { id: "k1", name: "query's", hash: hashOf("secret"), created: "2026-01-01" };
const keys = new Keyring();
keys.set([{ ...key, scopes: ["base", "adapter:*", "admin", "profile:query"] }]);
const server = await serveProfiles({ calc, query }, { token: "t0ken", keys, adapterRoot: FOLDER });
after(async () => {
  await server.close();
  await Promise.all([calc.close(), query.close()]);
});

const ADMIN = { authorization: "Bearer t0ken" };
const base = server.baseUrl;
const get = async (path: string, headers: Record<string, string> = ADMIN) => {
  const response = await fetch(new URL(path, base), { headers });
  return { status: response.status, text: await response.text() };
};
const PROMPT = "List all users.";
const ask = (model: string, headers = ADMIN) =>
  post(`${base}/completions`, { model, prompt: PROMPT, max_tokens: 12, temperature: 0 }, headers);
const texts = async (engine: Engine, adapter?: string) => {
  let text = "";
  const request = { prompt: PROMPT, raw: true, maxTokens: 12, ...(adapter !== undefined && { adapter }) };
  for await (const event of engine.generate(request)) text += event.text;
  return text;
};

test("the id says which engine; the same name is another adapter in each", async () => {
  assert.equal(calc.sharedBy, 2);
  // Two side by side, of different engines: one of them has a line of one.
  const answers = (
    await Promise.all(
      [
        ["calc:expert", "calc"],
        ["query:expert", "query"],
      ].map(async ([one, other]) => [await ask(one), await ask(other)]),
    )
  ).flat();
  const said = answers.map(({ body }) => (body.choices as { text: string }[])[0].text);
  assert.deepEqual(said, [
    await texts(calc, "expert"),
    await texts(calc),
    await texts(query, "expert"),
    await texts(query),
  ]);
  assert.notEqual(said[0], said[2]);
  assert.equal(said[1], said[3]);
  assert.deepEqual(
    answers.map(({ body }) => body.model),
    ["calc:expert", "calc", "query:expert", "query"],
  );
});

test("a model of no profile, and one that its profile does not have, are refused by name", async () => {
  const { status, body } = await ask("nano:expert");
  assert.equal(status, 404);
  assert.match(body.error!.message, /no profile of this server.*The profiles are: calc, query/s);
  assert.match((await ask("calc:none")).body.error!.message, /calc:expert/);
  assert.equal((await get("/v1/models/query:expert")).status, 200);
  assert.equal((await get("/v1/models/other:expert")).status, 404);
});

test("models, health and metrics tell of all; limits are each one's", async () => {
  const { data } = JSON.parse((await get("/v1/models")).text) as { data: { id: string }[] };
  assert.deepEqual(
    data.map(({ id }) => id),
    ["calc", "calc:expert", "query", "query:expert"],
  );
  const health = JSON.parse((await get("/health")).text);
  assert.equal(health.status, "ok");
  assert.deepEqual(
    health.profiles.map(({ model }: { model: string }) => model),
    ["calc", "query"],
  );
  const { text } = await get("/metrics");
  assert.match(text, /^molora_pages\{.*profile="calc".*\} \d+$/m);
  assert.match(text, /^molora_time_to_first_token_seconds_bucket\{.*profile="query".*\} [1-9]/m);
  assert.equal(text.match(/^# TYPE molora_pages gauge$/gm)?.length, 1);
  const lengths = await Promise.all(
    ["calc", "query"].map((model) => post(`${base.replace(/\/v1$/, "")}/tokenize`, { model, prompt: "a" }, ADMIN)),
  );
  assert.deepEqual(
    lengths.map(({ body }) => body.max_model_len),
    [512, 256],
  );
});

test("adapters are loaded into the profile that is named", async () => {
  const body = { lora_name: "code", lora_path: "code", base_model_name: "query" };
  assert.equal((await post(`${base}/load_lora_adapter`, body, ADMIN)).status, 200);
  assert.deepEqual(
    query.listAdapters().map(({ name }) => name),
    ["expert", "code"],
  );
  assert.deepEqual(
    calc.listAdapters().map(({ name }) => name),
    ["expert"],
  );
  assert.match((await get("/v1/lora_adapters?profile=query")).text, /"code"/);
  assert.doesNotMatch((await get("/v1/lora_adapters")).text, /"code"/);
  const gone = await fetch(`${base}/lora_adapters/code?profile=query`, { method: "DELETE", headers: ADMIN });
  assert.equal(gone.status, 200);
  assert.equal((await post(`${base}/load_lora_adapter`, { ...body, base_model_name: "other" }, ADMIN)).status, 404);
});

test("the stream's URL names a profile; without one it is the first", async () => {
  const said = async (url: string) => {
    const client = await MoloraClient.connect(url, { token: "t0ken" });
    let text = "";
    for await (const event of client.generate({ prompt: PROMPT, raw: true, maxTokens: 12, adapter: "expert" })) {
      text += event.text;
    }
    await client.close();
    return text;
  };
  assert.equal(await said(`${server.url}?profile=query`), await texts(query, "expert"));
  assert.equal(await said(server.url), await texts(calc, "expert"));
  await raises("connection_lost", /./, () => said(`${server.url}?profile=other`));
});

test("a key for one profile has nothing of the others", async () => {
  const mine = { authorization: "Bearer secret" };
  assert.equal((await ask("query:expert", mine)).status, 200);
  for (const model of ["calc", "calc:expert"]) assert.ok([403, 404].includes((await ask(model, mine)).status), model);
  const { data } = JSON.parse((await get("/v1/models", mine)).text) as { data: { id: string }[] };
  assert.deepEqual(
    data.map(({ id }) => id),
    ["query", "query:expert"],
  );
  const load = { lora_name: "code", lora_path: "code", base_model_name: "calc" };
  assert.equal((await post(`${base}/load_lora_adapter`, load, mine)).status, 403);
});

test("one engine that ended is told, and the other goes on", async () => {
  await query.close();
  const { status, text } = await get("/health");
  assert.equal(status, 503);
  assert.match(text, /"status":"failed","model":"query"/);
  assert.equal((await ask("query")).status, 503);
  assert.equal((await ask("calc")).status, 200);
  assert.equal(calc.sharedBy, 1);
});
