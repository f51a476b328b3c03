// `/v1/responses` by OpenAI's own client: whole and streamed, tools, formats, going on from earlier ones, cut and refused.
// Texts are compared with what the engine generates without a server.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import OpenAI from "openai";
import type { ResponseStreamEvent } from "openai/resources/responses/responses";
import type { ChatMessage, GenerateRequest } from "../../../../proto/api.ts";
import { until } from "../../connections.ts";
import { closeEngine, nano, postFor, serveNano } from "../http_server.ts";

after(closeEngine);

const QUESTION = "How many singers are there?\nTable columns: age, name, singer";
const asked = { model: "nano", input: QUESTION, temperature: 0, max_output_tokens: 10 };
const schema = {
  type: "object",
  properties: { table: { enum: ["singer", "concert"] }, many: { type: "boolean" } },
  required: ["table", "many"],
  additionalProperties: false,
};
const tools = [{ type: "function" as const, name: "query", description: "Asks", parameters: schema, strict: true }];

async function alone(request: GenerateRequest): Promise<string> {
  let text = "";
  for await (const event of (await nano()).generate({ temperature: 0, ...request })) text += event.text;
  return text;
}

const user = (content: string): ChatMessage => ({ role: "user", content });

test("a response as a whole: text, status, usage, what was asked", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const instructions = "Answer in SQL.";
  const response = await client.responses.create({ ...asked, instructions, metadata: { a: "b" } });
  const expected = await alone({
    messages: [{ role: "system", content: instructions }, user(QUESTION)],
    maxTokens: 10,
  });
  assert.equal(response.output_text, expected);
  assert.match(response.id, /^resp_[0-9a-f]{32}$/);
  assert.equal(response.object, "response");
  assert.equal(response.status, "incomplete");
  assert.deepEqual(response.incomplete_details, { reason: "max_output_tokens" });
  assert.equal(response.error, null);
  assert.equal(response.instructions, instructions);
  assert.deepEqual(response.metadata, { a: "b" });
  assert.equal(response.max_output_tokens, 10);
  assert.equal(response.usage?.output_tokens, 10);
  assert.equal(response.usage?.total_tokens, (response.usage?.input_tokens ?? 0) + 10);
  const [item] = response.output;
  assert.ok(item.type === "message" && item.status === "incomplete" && item.role === "assistant");
  const routed = await client.responses.create({ ...asked, model: "nano:default", max_output_tokens: 400 });
  assert.equal(routed.output_text, await alone({ messages: [user(QUESTION)], maxTokens: 400, mixture: "default" }));
  assert.equal(routed.status, "completed");
  assert.equal(routed.incomplete_details, null);
});

async function eventsOf(client: OpenAI, body: object): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  const stream = await client.responses.create({ ...asked, ...body, stream: true });
  for await (const event of stream) events.push(event);
  assert.deepEqual(
    events.map(({ sequence_number }) => sequence_number),
    events.map((_, i) => i),
  );
  return events;
}

test("a streamed text: OpenAI's events in OpenAI's order", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const events = await eventsOf(client, { include: ["message.output_text.logprobs"], top_logprobs: 2 });
  const kinds = events.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1]);
  assert.deepEqual(kinds, [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.incomplete",
  ]);
  const expected = await alone({ messages: [user(QUESTION)], maxTokens: 10 });
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  assert.ok(deltas.length > 3, "text comes as it is made");
  assert.equal(deltas.map(({ delta }) => delta).join(""), expected);
  assert.equal(deltas.flatMap(({ logprobs }) => logprobs).length, 10);
  const last = events.at(-1);
  assert.ok(last?.type === "response.incomplete");
  const { response } = last;
  const [item] = response.output;
  assert.ok(item.type === "message" && item.content[0].type === "output_text");
  assert.equal(item.content[0].text, expected);
  assert.equal(item.content[0].logprobs?.length, 10);
  assert.equal(item.content[0].logprobs?.[0].top_logprobs.length, 2);
  const ids = events.flatMap((event) =>
    "item_id" in event ? [event.item_id] : "item" in event ? [event.item.id] : [],
  );
  assert.deepEqual(new Set(ids), new Set([item.id]));
  const first = events[0];
  assert.ok(first.type === "response.created" && first.response.status === "in_progress");
  assert.equal(first.response.id, response.id);
  assert.deepEqual(first.response.output, []);
  // The client's own accumulation comes to the same.
  const summed = await client.responses.stream({ ...asked }).finalResponse();
  assert.equal(summed.output_text, expected);
});

test("a call of a tool, streamed and whole, answered, and the conversation goes on", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const forced = { tools, tool_choice: "required" as const, max_output_tokens: 120 };
  const events = await eventsOf(client, forced);
  assert.deepEqual(
    events.map(({ type }) => type),
    [
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
      "response.completed",
    ],
  );
  const response = await client.responses.create({ ...asked, ...forced });
  const [call] = response.output;
  assert.equal(response.output.length, 1);
  assert.ok(call.type === "function_call" && call.name === "query");
  assert.deepEqual(Object.keys(JSON.parse(call.arguments)), ["table", "many"]);
  const delta = events[3];
  assert.ok(delta.type === "response.function_call_arguments.delta");
  assert.equal(delta.delta, call.arguments);
  const output = { type: "function_call_output" as const, call_id: call.call_id, output: "42" };
  const kept = await client.responses.create({ ...asked, tools, previous_response_id: response.id, input: [output] });
  const sent = await client.responses.create({
    ...asked,
    tools,
    input: [{ role: "user", content: QUESTION }, call, output],
  });
  const referred = await client.responses.create({
    ...asked,
    tools,
    input: [{ role: "user", content: QUESTION }, { type: "item_reference", id: call.id ?? "" }, output],
  });
  const expected = await alone({
    messages: [
      user(QUESTION),
      {
        role: "assistant",
        content: "",
        toolCalls: [{ id: call.call_id, name: call.name, arguments: call.arguments }],
      },
      { role: "tool", toolCallId: call.call_id, content: "42" },
    ],
    tools: [{ name: "query", description: "Asks", parameters: schema }],
    maxTokens: 10,
  });
  assert.equal(kept.output_text, expected);
  assert.equal(sent.output_text, expected);
  assert.equal(referred.output_text, expected);
  const named = await client.responses.create({
    ...asked,
    ...forced,
    tool_choice: { type: "function", name: "query" },
  });
  assert.equal(named.output[0].type, "function_call");
});

test("text of a schema", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const format = { type: "json_schema" as const, name: "answer", schema, strict: true };
  const response = await client.responses.create({ ...asked, max_output_tokens: 100, text: { format } });
  assert.equal(response.status, "completed");
  const answer = JSON.parse(response.output_text);
  assert.ok(["singer", "concert"].includes(answer.table) && typeof answer.many === "boolean");
});

test("going on from a response: its conversation, not its instructions; looked up; deleted", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const first = await client.responses.create({ ...asked, instructions: "Be brief." });
  const events = await eventsOf(client, { previous_response_id: first.id, input: "And now?" });
  const last = events.at(-1);
  assert.ok(last?.type === "response.incomplete");
  const turns = [user(QUESTION), { role: "assistant", content: first.output_text }, user("And now?")];
  const second = await client.responses.retrieve(last.response.id);
  const [item] = second.output;
  assert.ok(item.type === "message" && item.content[0].type === "output_text");
  const text = await alone({ messages: turns, maxTokens: 10 });
  assert.equal(item.content[0].text, text);
  assert.equal(second.previous_response_id, first.id);
  const third = await client.responses.create({ ...asked, previous_response_id: second.id, input: "Why?" });
  const expected = await alone({
    messages: [...turns, { role: "assistant", content: text }, user("Why?")],
    maxTokens: 10,
  });
  assert.equal(third.output_text, expected);
  await client.responses.delete(first.id);
  await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError);
  const gone = client.responses.create({ ...asked, previous_response_id: first.id });
  await assert.rejects(gone, (error: InstanceType<typeof OpenAI.APIError>) => {
    assert.deepEqual([error.status, error.code, error.param], [400, "bad_request", "previous_response_id"]);
    return true;
  });
  const unkept = await client.responses.create({ ...asked, store: false });
  await assert.rejects(client.responses.retrieve(unkept.id), OpenAI.NotFoundError);
});

test("bad requests are refused by name, what OpenAI has beside is listed, and a stranger's leaving frees the slot", async (t) => {
  const { baseUrl } = await serveNano(t);
  const url = `${baseUrl}/responses`;
  const bad: [object, number, string, string | null][] = [
    [{ ...asked, model: "gpt-5" }, 404, "unknown_model", "model"],
    [{ model: "nano" }, 400, "bad_request", "input"],
    [{ ...asked, input: [] }, 400, "bad_request", "input"],
    [{ ...asked, input: 5 }, 400, "bad_request", "input"],
    [{ ...asked, input: [{ role: "robot", content: "x" }] }, 400, "bad_request", "role"],
    [{ ...asked, input: [{ type: "computer_call" }] }, 400, "bad_request", "type"],
    [{ ...asked, input: [{ role: "user", content: [{ type: "input_image" }] }] }, 400, "bad_request", "type"],
    [{ ...asked, input: [{ type: "item_reference", id: "msg_0" }] }, 400, "bad_request", "id"],
    [{ ...asked, input: [{ type: "function_call", call_id: "1", name: "f" }] }, 400, "bad_request", "arguments"],
    [{ ...asked, max_output_tokens: 0 }, 400, "bad_request", "max_output_tokens"],
    [{ ...asked, max_output_token: 5 }, 400, "bad_request", null],
    [{ ...asked, background: true }, 400, "bad_request", "background"],
    [{ ...asked, conversation: "conv_1" }, 400, "bad_request", "conversation"],
    [{ ...asked, prompt: { id: "pmpt_1" } }, 400, "bad_request", "prompt"],
    [{ ...asked, truncation: "some" }, 400, "bad_request", "truncation"],
    [{ ...asked, tool_choice: "required" }, 400, "bad_request", "tool_choice"],
    [{ ...asked, top_logprobs: 21 }, 400, "bad_request", "top_logprobs"],
    [{ ...asked, text: { format: { type: "xml" } } }, 400, "bad_request", "type"],
    [{ ...asked, stream: true, previous_response_id: "resp_0" }, 400, "bad_request", "previous_response_id"],
    [{ ...asked, input: "x ".repeat(5000) }, 400, "prompt_too_long", null],
  ];
  for (const [body, status, code, param] of bad) {
    const answer = await postFor(url, body);
    const shown = JSON.stringify(body).slice(0, 120);
    assert.deepEqual([answer.status, answer.body.error?.code, answer.body.error?.param], [status, code, param], shown);
  }
  const foreign = {
    user: "u",
    service_tier: "auto",
    safety_identifier: "s",
    prompt_cache_key: "k",
    reasoning: { effort: "low" },
    parallel_tool_calls: true,
    max_tool_calls: 3,
    truncation: "auto",
    include: ["reasoning.encrypted_content"],
  };
  const listed = await postFor(url, {
    ...asked,
    ...foreign,
    text: { verbosity: "low" },
    tools: [{ type: "web_search" }],
  });
  assert.equal(listed.status, 200, JSON.stringify(listed.body));
  assert.deepEqual(
    listed.headers.get("x-molora-ignored")?.split(", ").sort(),
    [...Object.keys(foreign), "text.verbosity", "tools.web_search"].sort(),
  );
  const leave = new AbortController();
  const endless = { ...asked, max_output_tokens: 800, ignore_eos: true, stream: true };
  const stream = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(endless),
    signal: leave.signal,
  });
  await stream.body?.getReader().read();
  leave.abort();
  const engine = await nano();
  await until(() => engine.stats().running === 0, "for the request to leave the batch");
});
