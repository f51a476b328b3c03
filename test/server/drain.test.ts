// A server that is told to end while requests run: what probes, newcomers, streams over HTTP and WebSockets are told.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { RawConnection, until } from "./connections.ts";
import { closeEngine, nano, post, serveNano } from "./http/http_server.ts";

after(closeEngine);

const chat = (tokens: number) => ({
  model: "nano",
  messages: [{ role: "user", content: "Go on." }],
  max_tokens: tokens,
  ignore_eos: true,
  temperature: 0,
});

async function stream(url: string, tokens: number): Promise<Response> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...chat(tokens), stream: true }),
  });
  assert.equal(response.status, 200);
  return response;
}

/** The `data:` of an event stream, in order. */
const eventsOf = async (response: Response): Promise<string[]> =>
  [...(await response.text()).matchAll(/^data: (.*)$/gm)].map(([, data]) => data);

async function probe(url: string) {
  const response = await fetch(url);
  const body = (await response.json()) as { status: string; error?: { code: string } };
  return [response.status, body.status, body.error?.code];
}

test("draining: readiness goes first, newcomers are refused, what runs is finished, then sockets are told", async (t) => {
  const server = await serveNano(t);
  const root = server.baseUrl.replace("/v1", "");
  assert.deepEqual(await probe(`${root}/ready`), [200, "ok", undefined]);
  const connection = await RawConnection.open(server.url);
  const running = eventsOf(await stream(`${server.baseUrl}/chat/completions`, 60));
  connection.say({ type: "generate", id: "a", prompt: "Go on.", ignoreEos: true, maxTokens: 60 });
  await connection.hear({ type: "accepted", id: "a" });
  await until(() => server.running === 2, "for both to run");
  const closed = server.close({ drainMs: 120_000 });
  for (const path of ["/ready", "/health"]) {
    assert.deepEqual(await probe(root + path), [503, "draining", "engine_closed"]);
  }
  const refused = await post(`${server.baseUrl}/chat/completions`, chat(4));
  assert.deepEqual([refused.status, refused.body.error?.code], [503, "engine_closed"]);
  connection.say({ type: "generate", id: "late", prompt: "Too late.", maxTokens: 4 });
  assert.equal((await connection.hear({ type: "error", id: "late" })).code, "engine_closed");

  const events = await running;
  assert.equal(events.at(-1), "[DONE]");
  assert.equal(JSON.parse(events.at(-2)!).choices[0].finish_reason, "length");
  await closed;
  assert.deepEqual(await connection.closed, { code: 1001, reason: "engine_closed" });
  const done = connection.heard.find(({ type }) => type === "done") as
    | { usage?: { completionTokens: number } }
    | undefined;
  assert.equal(done?.usage?.completionTokens, 60);
  await assert.rejects(fetch(`${root}/health`));
});

test("what does not end in time ends with engine_closed: an event and [DONE], a message and 1001", async (t) => {
  const server = await serveNano(t);
  const connection = await RawConnection.open(server.url);
  const url = `${server.baseUrl}/chat/completions`;
  const running = eventsOf(await stream(url, 900));
  const whole = post(url, chat(900));
  connection.say({ type: "generate", id: "a", prompt: "Go on.", ignoreEos: true, maxTokens: 900 });
  await connection.hear({ type: "token", id: "a" });
  await until(() => server.running === 3, "for all to run");
  const begun = performance.now();
  await server.close({ drainMs: 200 });
  assert.ok(performance.now() - begun > 190);
  const events = await running;
  assert.equal(events.at(-1), "[DONE]");
  assert.equal(JSON.parse(events.at(-2)!).error.code, "engine_closed");
  const answer = await whole;
  assert.deepEqual([answer.status, answer.body.error?.code], [503, "engine_closed"]);
  assert.equal((await connection.hear({ type: "error", id: "a" })).code, "engine_closed");
  assert.deepEqual(await connection.closed, { code: 1001, reason: "engine_closed" });
  const engine = await nano();
  assert.deepEqual([engine.stats().running, engine.stats().waiting], [0, 0], "the engine is free again");
  assert.equal(engine.closed, undefined, "and stays its owner's");
});
