// Keys at a real port: what each may see and ask for, how often, and that a change of the file reaches open connections.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { Engine } from "../../../node/index.ts";
import { serve } from "../../../server/http/serve.ts";
import { changeKeys } from "../../../server/keys/key_file.ts";
import { type KeyRecord, newKey } from "../../../server/keys/key_record.ts";
import { Keyring } from "../../../server/keys/keyring.ts";
import { raises } from "../../raises.ts";
import { RawConnection, refusal, until } from "../connections.ts";
import { closeEngine, post, serveNano } from "../http/http_server.ts";

after(closeEngine);

type Wanted = Partial<Omit<KeyRecord, "id" | "hash">>;

/** A file of keys, and their secrets in the same order. */
async function keyFile(t: TestContext, ...wanted: Wanted[]) {
  const folder = await mkdtemp(join(tmpdir(), "molora-keys-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "keys.json");
  const made = wanted.map((each) => newKey({ name: "someone", scopes: ["base"], ...each }, new Date()));
  await changeKeys(path, () => made.map(({ record }) => record));
  return { path, secrets: made.map(({ secret }) => secret), ids: made.map(({ record }) => record.id) };
}

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
const say = { messages: [{ role: "user", content: "Hello" }], max_tokens: 2 };

test("the file holds hashes only, for its owner's eyes; two changes at once cannot lose a key", async (t) => {
  const { path, secrets } = await keyFile(t, { name: "alice" });
  const text = await readFile(path, "utf8");
  assert.ok(!text.includes(secrets[0].slice(16)));
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await writeFile(`${path}.new`, "another change is under way");
  await raises("not_permitted", /is being changed/, () => changeKeys(path, () => []));
  assert.equal(await readFile(path, "utf8"), text);
});

const BAD: [text: string, says: RegExp][] = [
  ["{", /no JSON/],
  ['{"format":"other/1","keys":[]}', /format/],
  ['{"format":"molora-keys/1","keys":[{"id":"a"}]}', /scopes/],
  ['{"format":"molora-keys/1","keys":[],"more":1}', /more/],
];
for (const [text, says] of BAD) {
  test(`a file that is none is refused: ${text}`, async (t) => {
    const { path } = await keyFile(t);
    await writeFile(path, text);
    await raises("config_invalid", says, () => Keyring.open(path));
  });
}

test("a key sees and asks for what its scopes name, over HTTP", async (t) => {
  const wanted = [{ scopes: ["adapter:s*"] }, { scopes: ["base", "mixture:default"] }, { scopes: ["admin", "base"] }];
  const { path, secrets } = await keyFile(t, ...wanted);
  const { baseUrl } = await serveNano(t, { keys: await Keyring.open(path) });
  const models = async (secret: string) => {
    const answer = await fetch(`${baseUrl}/models`, { headers: bearer(secret) });
    const { data } = (await answer.json()) as { data: { id: string }[] };
    return data.map(({ id }) => id);
  };
  const ask = async (secret: string, model: string, more = {}) => {
    const { status, body } = await post(`${baseUrl}/chat/completions`, { ...say, model, ...more }, bearer(secret));
    return [status, body.error?.code];
  };
  const [sql, mixed, admin] = secrets;
  assert.deepEqual(await models(sql), ["nano", "nano:sql"]);
  assert.deepEqual(await models(mixed), ["nano", "nano:default"]);
  assert.deepEqual(await ask(sql, "nano:sql"), [200, undefined]);
  assert.deepEqual(await ask(sql, "nano"), [403, "not_permitted"]);
  assert.deepEqual(await ask(sql, "nano:math"), [404, "unknown_model"]);
  assert.deepEqual(await ask(sql, "nano", { molora: { adapters: [{ id: "math", weight: 1 }] } }), [
    403,
    "not_permitted",
  ]);
  assert.deepEqual(await ask(mixed, "nano:default"), [200, undefined]);
  assert.deepEqual(await ask(mixed, "nano:sql"), [404, "unknown_model"]);
  assert.deepEqual(await ask("molora_none", "nano"), [401, "unauthorized"]);
  assert.equal((await post(`${baseUrl}/chat/completions`, { ...say, model: "nano" })).status, 401);
  assert.equal((await fetch(baseUrl.replace("/v1", "/health"))).status, 200, "probes need no key");
  const unload = (secret: string) => post(`${baseUrl}/unload_lora_adapter`, { lora_name: "none" }, bearer(secret));
  assert.equal((await unload(mixed)).body.error?.code, "not_permitted");
  assert.equal((await unload(admin)).body.error?.code, "unknown_adapter");
});

test("nobody reads what another key was answered", async (t) => {
  const { path, secrets } = await keyFile(t, {}, {});
  const { baseUrl } = await serveNano(t, { keys: await Keyring.open(path) });
  const made = await post(
    `${baseUrl}/responses`,
    { model: "nano", input: "Hi", max_output_tokens: 16 },
    bearer(secrets[0]),
  );
  const read = async (secret: string) =>
    (await fetch(`${baseUrl}/responses/${made.body.id}`, { headers: bearer(secret) })).status;
  assert.deepEqual([await read(secrets[0]), await read(secrets[1])], [200, 404]);
});

test("limits: requests a minute with a time to come back, requests at once, tokens a minute", async (t) => {
  const wanted = [{ requestsPerMinute: 2 }, { concurrent: 1 }, { tokensPerMinute: 3 }];
  const { path, secrets } = await keyFile(t, ...wanted);
  const { baseUrl } = await serveNano(t, { keys: await Keyring.open(path) });
  const ask = (secret: string, more = {}) =>
    fetch(`${baseUrl}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...bearer(secret) },
      body: JSON.stringify({ ...say, model: "nano", ...more }),
    });
  const status = async (secret: string) => (await ask(secret)).status;
  const [often, once, little] = secrets;
  assert.deepEqual([await status(often), await status(often)], [200, 200]);
  const third = await ask(often);
  const { error } = (await third.json()) as { error: { code: string; details: { limit: string } } };
  assert.deepEqual([third.status, error.code, error.details.limit], [429, "rate_limited", "requestsPerMinute"]);
  const wait = Number(third.headers.get("retry-after"));
  assert.ok(wait > 0 && wait <= 30, `${wait} s`);

  const long = await ask(once, { stream: true, max_tokens: 400, ignore_eos: true });
  assert.equal(await status(once), 429);
  await long.body?.cancel();
  let again = 429;
  for (let i = 0; i < 100 && again === 429; i++) again = await status(once);
  assert.equal(again, 200, "whoever leaves gives the place back");

  assert.deepEqual([await status(little), await status(little)], [200, 429]);
});

test("over WebSocket; what is revoked in the file ends for connections that are open", {
  timeout: 30_000,
}, async (t) => {
  const { path, secrets, ids } = await keyFile(t, { scopes: ["adapter:sql", "admin"] }, {});
  const { url } = await serveNano(t, { keys: await Keyring.open(path) });
  assert.deepEqual(await refusal(url), { status: 401, code: "unauthorized" });
  assert.deepEqual(await refusal(url, { headers: bearer("wrong") }), { status: 401, code: "unauthorized" });
  const connection = await RawConnection.open(url, { headers: bearer(secrets[0]) });
  connection.say({ type: "adapter_list", id: "l" });
  const { adapters } = (await connection.hear({ type: "adapters" })) as unknown as { adapters: { name: string }[] };
  assert.deepEqual(
    adapters.map(({ name }) => name),
    ["sql"],
  );
  connection.say({ type: "generate", id: "a", prompt: "Hi", adapter: "sql", maxTokens: 2 });
  await connection.hear({ type: "done", id: "a" });
  connection.say({ type: "generate", id: "b", prompt: "Hi", maxTokens: 2 });
  assert.equal((await connection.hear({ type: "error", id: "b" })).code, "not_permitted");
  connection.say({ type: "adapter_unload", id: "u", name: "nothing" });
  assert.equal((await connection.hear({ type: "error", id: "u" })).code, "unknown_adapter");

  await changeKeys(path, (keys) => keys.map((key) => (key.id === ids[0] ? { ...key, revoked: key.created } : key)));
  let heard: string | undefined;
  for (let i = 0; heard !== "unauthorized" && i < 100; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    connection.say({ type: "generate", id: `r${i}`, prompt: "Hi", adapter: "sql", maxTokens: 1 });
    await until(
      () => connection.heard.some(({ id, type }) => id === `r${i}` && (type === "done" || type === "error")),
      "",
    );
    heard = connection.heard.find(({ id, type }) => id === `r${i}` && type === "error")?.code as string | undefined;
  }
  assert.equal(heard, "unauthorized");
  connection.say({ type: "adapter_unload", id: "v", name: "sql" });
  assert.equal((await connection.hear({ type: "error", id: "v" })).code, "not_permitted");
  assert.deepEqual(await refusal(url, { headers: bearer(secrets[0]) }), { status: 401, code: "unauthorized" });
});

test("an expired key is refused", async (t) => {
  const { path, secrets } = await keyFile(t, { expires: "2020-01-01T00:00:00Z" });
  const { baseUrl } = await serveNano(t, { keys: await Keyring.open(path) });
  const answer = await fetch(`${baseUrl}/models`, { headers: bearer(secrets[0]) });
  assert.equal(answer.status, 401);
});

test("where requests wait, keys take turns: a burst of one does not hold up single requests of another", async (t) => {
  const scopes = ["base", "adapter:*"];
  const { path, secrets } = await keyFile(t, { name: "many", scopes }, { name: "one", scopes });
  const engine = await Engine.load({ maxSequences: 1, contextLength: 512, poolBytes: 32 * 2 ** 20 });
  t.after(() => engine.close());
  const server = await serve(engine, { keys: await Keyring.open(path) });
  t.after(() => server.close());
  const ended: string[] = [];
  const ask = async (name: string, secret: string, model: string) => {
    const body = { model, prompt: "Count.", max_tokens: 24, molora: {}, ignore_eos: true };
    assert.equal((await post(`${server.baseUrl}/completions`, body, bearer(secret))).status, 200);
    ended.push(name);
  };
  const models = ["nano", "nano:math", "nano:sql", "nano:code"];
  const many = Array.from({ length: 8 }, (_, i) => ask("many", secrets[0], models[i % 4]));
  while (engine.stats().waiting < 7) await new Promise((resolve) => setTimeout(resolve, 2));
  await ask("one", secrets[1], "nano:medical");
  assert.ok(ended.indexOf("one") <= 3, ended.join(" "));
  await Promise.all(many);
});
