// Bad requests, plain and many: each is answered in OpenAI's shape with a stable code, and a stream beside them all goes on.
// Spoken with fetch and bare sockets, so that nothing is put right by a client.

import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RawConnection, refusal, until } from "../connections.ts";
import { closeEngine, nano, post, serveNano } from "./http_server.ts";

after(closeEngine);

const chat = { model: "nano", messages: [{ role: "user", content: "Hello" }], max_tokens: 4 };
const tool = (parameters: unknown) => [{ type: "function", function: { name: "f", parameters } }];
const schema = (given: unknown) => ({ type: "json_schema", json_schema: { name: "s", schema: given } });

/** [body, status, code, param] */
const BAD: [unknown, number, string, string | null][] = [
  ["{", 400, "bad_request", null],
  ["[]", 400, "bad_request", null],
  [`{"__proto__":{"a":1}}`, 400, "bad_request", null],
  [{}, 400, "bad_request", "model"],
  [{ ...chat, model: 5 }, 400, "bad_request", "model"],
  [{ ...chat, model: "nano:nothing" }, 404, "unknown_model", "model"],
  [{ ...chat, messages: "Hello" }, 400, "bad_request", "messages"],
  [{ ...chat, messages: [{ role: "user" }] }, 400, "bad_request", "content"],
  [{ ...chat, messages: [{ role: "user", content: [{ type: "image_url" }] }] }, 400, "bad_request", "type"],
  [{ ...chat, n: 0 }, 400, "bad_request", "n"],
  [{ ...chat, n: 65 }, 400, "bad_request", "n"],
  [{ ...chat, top_p: 2 }, 400, "bad_request", "top_p"],
  [{ ...chat, seed: 1.5 }, 400, "bad_request", "seed"],
  [{ ...chat, stop: [""] }, 400, "bad_request", "stop[0]"],
  [{ ...chat, stop: { a: 1 } }, 400, "bad_request", "stop"],
  [{ ...chat, top_logprobs: 3 }, 400, "bad_request", "top_logprobs"],
  [{ ...chat, logprobs: true, top_logprobs: 21 }, 400, "bad_request", "top_logprobs"],
  [{ ...chat, stream: "yes" }, 400, "bad_request", "stream"],
  [{ ...chat, max_tokenz: 3 }, 400, "bad_request", null],
  [{ ...chat, logit_bias: { 5: 101 } }, 400, "bad_request", "logit_bias"],
  [{ ...chat, logit_bias: { five: 1 } }, 400, "bad_request", "logit_bias"],
  [{ ...chat, logit_bias: { 99999999: 1 } }, 400, "bad_request", "logit_bias"],
  [{ ...chat, logit_bias: [5] }, 400, "bad_request", null],
  [
    { ...chat, add_generation_prompt: true, continue_final_message: true },
    400,
    "bad_request",
    "continue_final_message",
  ],
  [{ ...chat, molora: { adapters: [{ id: "none", weight: 1 }] } }, 404, "unknown_adapter", null],
  [{ ...chat, model: "nano:math", molora: { mixture: "default" } }, 400, "bad_request", "mixture"],
  [{ ...chat, tools: "search" }, 400, "bad_request", "tools"],
  [{ ...chat, tools: [{ type: "function", function: {} }] }, 400, "bad_request", "name"],
  [{ ...chat, tools: tool("none") }, 400, "bad_request", "tools[0].parameters"],
  [{ ...chat, tools: tool({ type: "nonsense" }), tool_choice: "required" }, 400, "schema_invalid", null],
  [{ ...chat, tool_choice: "required" }, 400, "bad_request", "tool_choice"],
  [
    { ...chat, tools: tool({}), tool_choice: { type: "function", function: { name: "g" } } },
    400,
    "bad_request",
    "tool_choice.name",
  ],
  [{ ...chat, response_format: { type: "xml" } }, 400, "bad_request", "type"],
  [{ ...chat, response_format: schema({ type: "objec" }) }, 400, "schema_invalid", null],
  [{ ...chat, response_format: schema({ $ref: "#/nowhere" }) }, 400, "schema_invalid", null],
  [{ ...chat, response_format: schema({ $ref: "#" }) }, 400, "schema_invalid", null],
  [{ ...chat, response_format: schema({ type: "string", pattern: "(" }) }, 400, "schema_invalid", null],
  [{ ...chat, response_format: schema({ enum: [] }) }, 400, "schema_invalid", null],
  [{ ...chat, response_format: schema({ description: "x".repeat(70_000) }) }, 400, "schema_invalid", null],
  [{ ...chat, messages: [{ role: "user", content: "x ".repeat(5000) }] }, 400, "prompt_too_long", null],
];

test("bad requests are refused by name, and a stream beside them is not disturbed", async (t) => {
  const { baseUrl } = await serveNano(t);
  const url = `${baseUrl}/chat/completions`;
  const steady = { ...chat, temperature: 0, max_tokens: 60, ignore_eos: true, molora: { mixture: "default" } };
  const expected = await post(url, steady);
  const beside = post(url, steady);
  for (const [body, status, code, param] of BAD) {
    const answer = await post(url, body);
    const shown = JSON.stringify(body).slice(0, 120);
    assert.equal(answer.status, status, `${shown}: ${JSON.stringify(answer.body)}`);
    assert.equal(answer.body.error?.code, code, shown);
    assert.equal(answer.body.error?.param, param, shown);
    assert.ok(answer.body.error && answer.body.error.message.length > 10 && answer.body.error.message.length < 1000);
    assert.equal(answer.body.error?.type, "invalid_request_error");
  }
  const text = (answer: Awaited<typeof beside>) => (answer.body.choices as { message: unknown }[])[0].message;
  assert.deepStrictEqual(text(await beside), text(expected));
});

test("a body of 20 MB is refused before it is read whole", async (t) => {
  const { baseUrl, port } = await serveNano(t);
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${20 * 2 ** 20}\r\n\r\n`;
  const reply = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`${head}{"model": "`));
    socket.once("data", (data) => {
      resolve(String(data));
      socket.destroy();
    });
    socket.once("error", reject);
  });
  assert.match(reply, /^HTTP\/1\.1 413 /);
  assert.match(reply, /"code":"frame_too_large"/);
  assert.equal((await post(`${baseUrl}/chat/completions`, chat)).status, 200);
});

test("half-open sockets hold up nobody, and go when the server closes", async (t) => {
  const server = await serveNano(t);
  const halves = ["", "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n", "GET /v1/models HTTP/1.1\r\nHost:"];
  const sockets = halves.flatMap((half) =>
    Array.from({ length: 20 }, () => {
      const socket = connect(server.port, "127.0.0.1", () => socket.write(half));
      socket.on("error", () => {});
      return socket;
    }),
  );
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  assert.equal((await post(`${server.baseUrl}/chat/completions`, chat)).status, 200);
  assert.ok(server.http.headersTimeout <= 15_000, "a half-sent head is dropped in seconds");
  await server.close();
  await until(() => sockets.every((socket) => socket.destroyed || socket.closed), "for every socket to close");
});

test("a client that vanishes in the middle of its stream frees its slot", async (t) => {
  const { port } = await serveNano(t);
  const engine = await nano();
  const body = JSON.stringify({ ...chat, max_tokens: 800, ignore_eos: true, stream: true });
  const socket = connect(port, "127.0.0.1", () => {
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
    socket.write(`${head}\r\n\r\n${body}`);
  });
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("data", resolve));
  assert.equal(engine.stats().running, 1);
  socket.destroy();
  await until(() => engine.stats().running === 0, "for its request to leave the batch");
});

test("adapters load and unload for administrators only, and from the allowed folder only", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "molora-adapters-"));
  t.after(() => rm(root, { recursive: true }));
  await cp("models/nano/adapters/sql", join(root, "queries"), { recursive: true });
  const { baseUrl } = await serveNano(t, { token: "root", adapterRoot: root });
  const load = { lora_name: "queries", lora_path: "queries" };
  const admin = { authorization: "Bearer root" };
  const refused = await post(`${baseUrl}/load_lora_adapter`, load);
  assert.deepStrictEqual([refused.status, refused.body.error?.code], [403, "not_permitted"]);
  assert.equal(refused.body.error?.type, "permission_error");
  const outside = await post(`${baseUrl}/load_lora_adapter`, { ...load, lora_path: "../../etc" }, admin);
  assert.equal(outside.body.error?.code, "not_permitted");
  assert.equal((await post(`${baseUrl}/load_lora_adapter`, load, admin)).status, 200);
  const asked = await post(`${baseUrl}/chat/completions`, { ...chat, model: "nano:queries" });
  assert.equal(asked.status, 200);
  const again = await post(`${baseUrl}/load_lora_adapter`, load, admin);
  assert.deepStrictEqual([again.status, again.body.error?.param], [400, "lora_name"]);
  assert.equal(
    again.body.error?.message,
    "The lora adapter 'queries' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.",
  );
  const both = await Promise.all(
    ["one", "one"].map((name) => post(`${baseUrl}/load_lora_adapter`, { ...load, lora_name: name }, admin)),
  );
  assert.deepStrictEqual(both.map(({ status }) => status).sort(), [200, 400], "two at once: one is told so");
  assert.equal((await post(`${baseUrl}/unload_lora_adapter`, { lora_name: "one" }, admin)).status, 200);
  assert.equal((await post(`${baseUrl}/load_lora_adapter`, { ...load, load_inplace: true }, admin)).status, 200);
  const unload = { lora_name: "queries" };
  assert.equal((await post(`${baseUrl}/unload_lora_adapter`, unload)).status, 403);
  assert.equal((await post(`${baseUrl}/unload_lora_adapter`, unload, admin)).status, 200);
  const gone = await post(`${baseUrl}/unload_lora_adapter`, unload, admin);
  assert.deepStrictEqual([gone.status, gone.body.error?.code], [404, "unknown_adapter"]);
  assert.equal(gone.body.error?.message, "The lora adapter 'queries' cannot be found.");
  for (const [path, message] of [
    ["load", "Both 'lora_name' and 'lora_path' must be provided."],
    ["unload", "'lora_name' needs to be provided to unload a LoRA adapter."],
  ]) {
    const lacking = await post(`${baseUrl}/${path}_lora_adapter`, {}, admin);
    assert.deepStrictEqual([lacking.status, lacking.body.error?.message], [400, message]);
  }
});

test("keys, pages of other origins, unknown paths", async (t) => {
  const { baseUrl, url: stream } = await serveNano(t, { apiKey: "key", allowedOrigins: ["https://friend.example"] });
  const root = baseUrl.replace("/v1", "");
  const status = async (url: string, headers: Record<string, string> = {}, method = "GET") => {
    const response = await fetch(url, { headers, method });
    return [response.status, response.headers.get("access-control-allow-origin")];
  };
  const key = { authorization: "Bearer key" };
  assert.deepStrictEqual(await status(`${baseUrl}/models`), [401, null]);
  assert.deepStrictEqual(await status(`${baseUrl}/models`, { authorization: "Bearer kez" }), [401, null]);
  assert.deepStrictEqual(await status(`${baseUrl}/models`, key), [200, null]);
  assert.deepStrictEqual(await refusal(stream), { status: 401, code: "unauthorized" });
  const connection = await RawConnection.open(stream, { headers: key });
  connection.socket.close();
  assert.deepStrictEqual(await status(`${root}/health`), [200, null]);
  assert.deepStrictEqual(await status(`${baseUrl}/nothing`, key), [404, null]);
  assert.deepStrictEqual(await status(`${baseUrl}/models`, { ...key, origin: "https://foe.example" }), [403, null]);
  const friend = { origin: "https://friend.example" };
  assert.deepStrictEqual(await status(`${baseUrl}/models`, { ...key, ...friend }), [200, friend.origin]);
  assert.deepStrictEqual(await status(`${baseUrl}/models`, friend, "OPTIONS"), [204, friend.origin]);
});

test("metrics tell of requests, adapters and routing", async (t) => {
  const { baseUrl } = await serveNano(t);
  await post(`${baseUrl}/chat/completions`, { ...chat, model: "nano:default" });
  await post(`${baseUrl}/chat/completions`, { ...chat, model: "nano:math" });
  const text = await (await fetch(baseUrl.replace("/v1", "/metrics"))).text();
  assert.match(text, /^molora_time_to_first_token_seconds_count 2$/m);
  assert.match(text, /^molora_inter_token_seconds_count 6$/m);
  assert.match(text, /^molora_requests_total\{outcome="length"\} 2$/m);
  assert.match(text, /^molora_requests_running 0$/m);
  assert.match(text, /^molora_adapters_resident [1-9]/m);
  const gauge = (name: string) => Number(new RegExp(`^molora_${name} (\\d+)$`, "m").exec(text)?.[1]);
  const { pagesTotal, pagesFree, pagesCached } = (await nano()).stats();
  assert.ok(pagesCached !== undefined && pagesCached > 0, "the prompts are kept");
  assert.deepStrictEqual(
    [gauge("pages"), gauge("pages_free"), gauge("pages_prefix")],
    [pagesTotal, pagesFree - pagesCached, pagesCached],
  );
  assert.match(text, /^molora_adapter_tokens\{adapter="math"\} [1-9]/m);
  const shares = [...text.matchAll(/^molora_routing_share\{mixture="default",layer="3",expert="\w+"\} (\S+)$/gm)];
  assert.equal(shares.length, 5);
  assert.ok(Math.abs(shares.reduce((sum, [, share]) => sum + Number(share), 0) - 1) < 1e-9);
  assert.match(text, /^molora_routing_entropy\{mixture="default",layer="7"\} \S+$/m);
});
