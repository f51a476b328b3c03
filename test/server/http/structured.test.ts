// Structured output as strangers ask for it: what they get parses and validates, what would not end is refused, and nobody
// beside them waits.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeEngine, post, serveNano } from "./http_server.ts";

after(closeEngine);

const chat = { model: "nano", messages: [{ role: "user", content: "How many singers are there?" }] };
const json = (schema: unknown) => ({ type: "json_schema", json_schema: { name: "answer", schema } });
const object = (properties: Record<string, unknown>) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
});

type Choice = {
  finish_reason: string;
  message: { content: string | null; tool_calls?: { function: { arguments: string } }[] };
};
const choiceOf = (body: Record<string, unknown>) => (body.choices as Choice[])[0];

test("bounds of numbers hold, whatever the seed", async (t) => {
  const url = `${(await serveNano(t)).baseUrl}/chat/completions`;
  const schema = object({
    a: { type: "number", minimum: 0.1, maximum: 0.9 },
    b: { type: "number", minimum: 0.5, maximum: 1.5 },
  });
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, seed) =>
      post(url, { ...chat, seed, temperature: 1.5, max_tokens: 100, response_format: json(schema) }),
    ),
  );
  for (const { status, body } of answers) {
    assert.equal(status, 200);
    const { a, b } = JSON.parse(choiceOf(body).message.content ?? "");
    assert.ok(a >= 0.1 && a <= 0.9 && b >= 0.5 && b <= 1.5, `${a} ${b}`);
  }
});

test("names that JavaScript knows are names like any other", async (t) => {
  const url = `${(await serveNano(t)).baseUrl}/chat/completions`;
  const schema = JSON.parse(
    '{"type": "object", "properties": {"__proto__": {"const": 1}}, "required": ["__proto__", "constructor"], "additionalProperties": {"type": "null"}, "maxProperties": 2}',
  );
  const { body } = await post(url, { ...chat, max_tokens: 60, response_format: json(schema) });
  assert.equal(choiceOf(body).message.content?.slice(0, 41), '{"__proto__": 1, "constructor": null}'.slice(0, 41));
});

test("twelve levels of objects", async (t) => {
  const url = `${(await serveNano(t)).baseUrl}/chat/completions`;
  const schema = Array.from({ length: 12 }).reduce((inner: unknown) => object({ a: inner }), { const: 7 });
  const { body } = await post(url, { ...chat, max_tokens: 120, response_format: json(schema) });
  assert.equal(choiceOf(body).message.content, `${'{"a": '.repeat(12)}7${"}".repeat(12)}`);
});

test("patterns that would not end are refused soon, and neither health nor a stream beside them waits", async (t) => {
  const server = await serveNano(t);
  const url = `${server.baseUrl}/chat/completions`;
  const health = server.baseUrl.replace("/v1", "/health");
  await post(url, { ...chat, max_tokens: 3 });
  const bombs = ["^[ab]*a[ab]{20}$", "^(.{0,150}){0,150}$", "(.*a.{9}|.*b.{9}|.*c.{9})"];
  const begun = performance.now();
  const beside = post(url, { ...chat, max_tokens: 100, ignore_eos: true });
  const refused = Promise.all(
    bombs.map(async (pattern) => {
      const format = json(object({ a: { type: "string", pattern } }));
      const answer = await post(url, { ...chat, max_tokens: 50, response_format: format });
      return { ...answer, seconds: (performance.now() - begun) / 1000 };
    }),
  );
  let slowest = 0;
  let going = true;
  const watching = (async () => {
    while (going) {
      const asked = performance.now();
      await (await fetch(health)).text();
      slowest = Math.max(slowest, performance.now() - asked);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  for (const { status, body, seconds } of await refused) {
    assert.equal(status, 400);
    assert.equal(body.error?.code, "schema_too_complex");
    assert.ok(seconds < 15, `${seconds} s`);
  }
  assert.equal((await beside).status, 200);
  going = false;
  await watching;
  assert.ok(slowest < 1000, `health took ${slowest} ms`);
});

test("who leaves while a schema is compiled is forgotten", async (t) => {
  const url = `${(await serveNano(t)).baseUrl}/chat/completions`;
  // Its compilation takes all it may, some hundred milliseconds of a thread.
  const patterns = [..."abcdefghijklmnopqrstuvwxyz"].map((letter) => [
    letter,
    { type: "string", pattern: `${letter}.{12}$` },
  ]);
  const response_format = json({ type: "object", properties: Object.fromEntries(patterns) });
  const body = JSON.stringify({ ...chat, response_format });
  const headers = { "content-type": "application/json" };
  await assert.rejects(fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(50) }));
  const answer = await post(url, { ...chat, max_tokens: 20, response_format: json({ const: "yes" }) });
  assert.equal(choiceOf(answer.body).message.content, '"yes"');
});

test("a long maxLength slows neither its own request nor another", async (t) => {
  const url = `${(await serveNano(t)).baseUrl}/chat/completions`;
  const ask = async (extra: object) => {
    const begun = performance.now();
    const { status } = await post(url, { ...chat, seed: 1, temperature: 2, max_tokens: 60, ...extra });
    assert.equal(status, 200);
    return performance.now() - begun;
  };
  const long = { response_format: json({ type: "string", minLength: 400, maxLength: 512 }) };
  const plain = { ignore_eos: true };
  await ask(plain);
  await ask(long);
  const alone = await ask(plain);
  assert.ok((await ask(long)) < 5 * alone + 500);
  const [, beside] = await Promise.all([ask(long), ask(plain)]);
  assert.ok(beside < 5 * alone + 500, `${beside} ms beside it, ${alone} ms alone`);
});

test("a call that max_tokens cuts leaves no markup, and empty arguments may be sent back", async (t) => {
  const url = `${(await serveNano(t)).baseUrl}/chat/completions`;
  const tools = [
    { type: "function", function: { name: "query", parameters: object({ table: { type: "string", minLength: 80 } }) } },
  ];
  for (const max_tokens of [1, 2, 3, 5, 8, 13, 20]) {
    const { body } = await post(url, { ...chat, max_tokens, tools, tool_choice: "required" });
    const { message, finish_reason } = choiceOf(body);
    assert.equal(finish_reason, "length");
    assert.doesNotMatch(message.content ?? "", /[<{]\S/, `${max_tokens}: ${message.content}`);
    assert.equal(message.tool_calls, undefined);
  }
  const made = {
    role: "assistant",
    content: null,
    tool_calls: [{ id: "1", type: "function", function: { name: "query", arguments: "" } }],
  };
  const messages = [...chat.messages, made, { role: "tool", tool_call_id: "1", content: "4" }];
  const answer = await post(url, { ...chat, messages, max_tokens: 4, tools });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
});
