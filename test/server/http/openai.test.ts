// OpenAI's own client against the real engine: whole and streamed answers, n, stop, log-probabilities, errors, aborts.
// Greedy texts are compared with what the engine generates without a server.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import OpenAI from "openai";
import type { GenerateRequest } from "../../../proto/api.ts";
import { until } from "../connections.ts";
import { closeEngine, nano, serveNano } from "./http_server.ts";

after(closeEngine);

const QUESTION = "How many singers are there?\nTable columns: age, name, singer";
const messages = [{ role: "user" as const, content: QUESTION }];

async function alone(request: GenerateRequest): Promise<string> {
  let text = "";
  for await (const event of (await nano()).generate({ prompt: QUESTION, ...request })) text += event.text;
  return text;
}

test("models: the base, every adapter, every mixture", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const { data } = await client.models.list();
  const ids = data.map(({ id }) => id);
  assert.deepStrictEqual(ids, ["nano", "nano:math", "nano:sql", "nano:medical", "nano:code", "nano:default"]);
  assert.equal((await client.models.retrieve("nano:sql")).id, "nano:sql");
  await assert.rejects(client.models.retrieve("nano:nothing"), OpenAI.NotFoundError);
});

test("a chat as a whole, by every model and by weights", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const ask = async (model: string, extra: object = {}) => {
    const completion = await client.chat.completions.create({
      model,
      messages,
      temperature: 0,
      max_tokens: 10,
      ...extra,
    });
    const [choice] = completion.choices;
    assert.equal(choice.finish_reason, "length");
    assert.equal(completion.usage?.completion_tokens, 10);
    return choice.message.content;
  };
  assert.equal(await ask("nano"), await alone({ maxTokens: 10 }));
  assert.equal(await ask("nano:sql"), await alone({ maxTokens: 10, adapter: "sql" }));
  assert.equal(await ask("nano:default"), await alone({ maxTokens: 10, mixture: "default" }));
  const adapters = [
    { id: "sql", weight: 0.5 },
    { id: "math", weight: 0.5 },
  ];
  assert.equal(await ask("nano", { molora: { adapters } }), await alone({ maxTokens: 10, adapters }));
});

test("a routed chat, streamed, with usage, trace and generations", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const body = { model: "nano:default", messages, temperature: 0, max_tokens: 12, molora: { trace: true } };
  const stream = await client.chat.completions.create({
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let reason: string | null = null;
  let tokens = 0;
  const traced: { molora?: { trace?: unknown[][]; generations?: { kind: string; name: string }[] } }[] = [];
  for await (const chunk of stream) {
    for (const choice of chunk.choices) {
      text += choice.delta.content ?? "";
      reason = choice.finish_reason ?? reason;
      traced.push(choice as (typeof traced)[number]);
    }
    tokens += chunk.usage?.completion_tokens ?? 0;
  }
  assert.equal(text, await alone({ maxTokens: 12, mixture: "default" }));
  assert.equal(reason, "length");
  assert.equal(tokens, 12);
  const traces = traced.flatMap(({ molora }) => molora?.trace ?? []);
  assert.equal(traces.length, 12);
  assert.equal(traces[0].length, 8);
  const generations = traced.flatMap(({ molora }) => molora?.generations ?? []);
  assert.ok(generations.some(({ kind, name }) => kind === "mixture" && name === "default"));
});

test("an abort half-way frees the slot within a step", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const engine = await nano();
  const stream = await client.chat.completions.create({
    ...{ model: "nano:default", messages, temperature: 0, max_tokens: 800, stream: true },
    // vLLM's, so that the text does not end by itself.
    ...{ ignore_eos: true },
  });
  let chunks = 0;
  for await (const _ of stream) if (++chunks === 4) break;
  await until(() => engine.stats().running === 0, "for the aborted request to leave the batch");
  const { steps } = engine.stats();
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(engine.stats().steps - steps <= 1, "no step runs for a request that left");
  const endless = { model: "nano", messages, max_tokens: 800, ignore_eos: true };
  const whole = client.chat.completions.create(endless, { timeout: 500, maxRetries: 0 });
  await assert.rejects(whole, OpenAI.APIConnectionTimeoutError);
  await until(() => engine.stats().running === 0, "for the request nobody waits for to leave the batch");
});

test("n sequences differ by their seeds, and repeat", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const ask = async () => {
    const completion = await client.chat.completions.create({ model: "nano", messages, n: 3, seed: 7, max_tokens: 12 });
    assert.equal(completion.usage?.completion_tokens, 36);
    return completion.choices.map(({ index, message }) => `${index} ${message.content}`);
  };
  const first = await ask();
  assert.equal(new Set(first.map((text) => text.slice(2))).size, 3);
  assert.deepStrictEqual(await ask(), first);
  const streamed = ["", "", ""];
  const stream = await client.chat.completions.create({
    ...{ model: "nano", messages, n: 3, seed: 7, max_tokens: 12, stream: true },
  });
  for await (const { choices } of stream) {
    for (const { index, delta } of choices) streamed[index] += delta.content ?? "";
  }
  assert.deepStrictEqual(
    streamed.map((text, index) => `${index} ${text}`),
    first,
  );
});

test("stop strings, penalties and truncation", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const whole = await alone({ maxTokens: 24 });
  const stop = whole.trim().split(" ")[2];
  const body = { model: "nano", messages, temperature: 0, max_tokens: 24 };
  const stopped = await client.chat.completions.create({ ...body, stop });
  assert.equal(stopped.choices[0].finish_reason, "stop");
  assert.equal(stopped.choices[0].message.content, whole.slice(0, whole.indexOf(stop)));
  const penalised = await client.chat.completions.create({ ...body, frequency_penalty: 2, presence_penalty: 1 });
  const expected = await alone({ maxTokens: 24, frequencyPenalty: 2, presencePenalty: 1 });
  assert.equal(penalised.choices[0].message.content, expected);
  const narrow = await client.chat.completions.create({ ...body, temperature: 1, ...{ top_k: 1, min_p: 0.5 } });
  assert.equal(narrow.choices[0].message.content, whole);
});

test("log-probabilities, of chats and of texts", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const shared = { model: "nano", temperature: 0, max_tokens: 5 };
  const chat = await client.chat.completions.create({ ...shared, messages, logprobs: true, top_logprobs: 3 });
  const content = chat.choices[0].logprobs?.content ?? [];
  assert.equal(content.length, 5);
  for (const { token, logprob, top_logprobs, bytes } of content) {
    assert.equal(top_logprobs.length, 3);
    // Greedy: the chosen token is the likeliest.
    assert.equal(top_logprobs[0].token, token);
    assert.equal(top_logprobs[0].logprob, logprob);
    assert.ok(logprob <= 0);
    assert.equal(Buffer.from(bytes ?? []).toString(), token);
  }
  assert.equal(content.map(({ token }) => token).join(""), chat.choices[0].message.content);
  const text = await client.completions.create({ ...shared, prompt: "Once upon a", logprobs: 2 });
  const { tokens = [], token_logprobs = [], text_offset = [], top_logprobs = [] } = text.choices[0].logprobs ?? {};
  assert.equal(tokens.join(""), text.choices[0].text);
  assert.equal(token_logprobs.length, 5);
  assert.equal(Object.keys(top_logprobs?.[0] ?? {}).length, 2);
  assert.deepStrictEqual(
    text_offset,
    tokens.map((_, i) => tokens.slice(0, i).join("").length),
  );
});

test("text completions: several prompts, ids, streamed", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const engine = await nano();
  const prompts = ["The first day", "SELECT count"];
  const shared = { model: "nano", temperature: 0, max_tokens: 6 };
  const expected = await Promise.all(prompts.map((prompt) => alone({ prompt, raw: true, maxTokens: 6 })));
  const byText = await client.completions.create({ ...shared, prompt: prompts });
  const texts = byText.choices.map(({ text }) => text);
  assert.deepStrictEqual(texts, expected);
  const ids = prompts.map((prompt) => engine.tokenizer.encode(prompt));
  const byIds = await client.completions.create({ ...shared, prompt: ids });
  assert.deepStrictEqual(
    byIds.choices.map(({ text }) => text),
    expected,
  );
  const stream = await client.completions.create({ ...shared, prompt: prompts[0], stream: true });
  let streamed = "";
  for await (const { choices } of stream) streamed += choices[0].text;
  assert.equal(streamed, expected[0]);
});

test("JSON of a schema and a required call, beside a routed chat that keeps its routing", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const schema = {
    type: "object",
    properties: { table: { enum: ["singer", "concert"] }, count: { type: "boolean" } },
    required: ["table", "count"],
    additionalProperties: false,
  };
  const tools = [{ type: "function" as const, function: { name: "query", parameters: schema } }];
  const shared = { messages, temperature: 0, max_tokens: 120 };
  const [json, call, routed] = await Promise.all([
    client.chat.completions.create({
      ...{ model: "nano:sql", ...shared },
      response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } },
    }),
    client.chat.completions.create({ model: "nano:default", ...shared, tools, tool_choice: "required" }),
    client.chat.completions.create({ model: "nano:default", ...shared, max_tokens: 20 }),
  ]);
  const answer = JSON.parse(json.choices[0].message.content ?? "");
  assert.ok(["singer", "concert"].includes(answer.table));
  assert.equal(typeof answer.count, "boolean");
  assert.equal(json.choices[0].finish_reason, "stop");
  const [{ message, finish_reason }] = call.choices;
  assert.equal(finish_reason, "tool_calls");
  assert.equal(message.content, null);
  const [made] = message.tool_calls ?? [];
  assert.ok(made.type === "function" && made.function.name === "query");
  assert.deepStrictEqual(Object.keys(JSON.parse(made.function.arguments)), ["table", "count"]);
  assert.equal(routed.choices[0].message.content, await alone({ maxTokens: 20, mixture: "default" }));
});

test("a streamed call, answered, and the conversation goes on", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const tools = [
    {
      type: "function" as const,
      function: {
        name: "count",
        parameters: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
      },
    },
  ];
  const shared = { model: "nano", temperature: 0, max_tokens: 80, tools };
  const stream = client.chat.completions.stream({ ...shared, messages, tool_choice: "required" });
  const { choices } = await stream.finalChatCompletion();
  const [call] = choices[0].message.tool_calls ?? [];
  assert.ok(call?.type === "function");
  const next = await client.chat.completions.create({
    ...shared,
    messages: [
      ...messages,
      { role: "assistant", content: null, tool_calls: [{ id: call.id, type: "function", function: call.function }] },
      { role: "tool", tool_call_id: call.id, content: "42" },
    ],
    max_tokens: 5,
  });
  assert.equal(next.usage?.completion_tokens, 5);
});

test("errors are OpenAI's classes, with molora's codes", async (t) => {
  const { baseUrl } = await serveNano(t, { apiKey: "secret" });
  const client = new OpenAI({ baseURL: baseUrl, apiKey: "secret" });
  const body = { model: "nano", messages, max_tokens: 4 };
  const raises = (made: Promise<unknown>, kind: new (...given: never[]) => Error, code: string, param: string | null) =>
    assert.rejects(made, (error: InstanceType<typeof OpenAI.APIError>) => {
      assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
      assert.equal(error.code, code);
      assert.equal(error.param, param);
      return true;
    });
  const { create } = client.chat.completions;
  const chat = (extra: object) => create.call(client.chat.completions, { ...body, ...extra } as typeof body);
  await raises(chat({ model: "gpt-5" }), OpenAI.NotFoundError, "unknown_model", "model");
  await raises(chat({ temperature: -1 }), OpenAI.BadRequestError, "bad_request", "temperature");
  await raises(chat({ max_tokens: "4" }), OpenAI.BadRequestError, "bad_request", "max_tokens");
  await raises(chat({ temprature: 1 }), OpenAI.BadRequestError, "bad_request", null);
  await raises(chat({ messages: [] }), OpenAI.BadRequestError, "bad_request", "messages");
  const format = { type: "json_schema", json_schema: { name: "x", schema: { type: "objec" } } };
  await raises(chat({ response_format: format }), OpenAI.BadRequestError, "schema_invalid", null);
  await raises(chat({ stream: true, molora: { mixture: "no" } }), OpenAI.NotFoundError, "unknown_mixture", null);
  const stranger = new OpenAI({ baseURL: baseUrl, apiKey: "guess" });
  await raises(stranger.chat.completions.create(body), OpenAI.AuthenticationError, "unauthorized", null);
});
