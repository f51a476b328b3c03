// Request fields as strangers' clients send them: OpenAI's that mean nothing here, a proxy's own, slips of the pen, and those
// that used to be refused (logit_bias, echo, best_of, continue_final_message), each with the value it must lead to.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import OpenAI from "openai";
import { renderChat } from "../../../engine/text/chat_template.ts";
import type { GenerateRequest, TokenLogprob } from "../../../proto/api.ts";
import { closeEngine, nano, postFor, serveNano } from "./http_server.ts";

after(closeEngine);

const chat = { model: "nano", messages: [{ role: "user" as const, content: "Hello" }], max_tokens: 4, temperature: 0 };
const text = { model: "nano", prompt: "Once upon a", max_tokens: 5, temperature: 0 };

/** What the engine gives without a server. */
async function alone(request: GenerateRequest) {
  const ids: number[] = [];
  const scores: TokenLogprob[] = [];
  let said = "";
  for await (const event of (await nano()).generate({ temperature: 0, ...request })) {
    said += event.text;
    if (event.type === "done") return { ids, scores, text: said, promptScores: event.promptLogprobs ?? [] };
    ids.push(event.id);
    if (event.logprob !== undefined) scores.push(event.logprob);
  }
  throw new Error("no end");
}

/** OpenAI's, proxies' and other servers' fields that change nothing here. */
const FOREIGN = {
  metadata: { session: "1" },
  store: true,
  user: "somebody",
  service_tier: "auto",
  extra_body: { a: 1 },
  parallel_tool_calls: false,
  prompt_cache_key: "key",
  prompt_cache_retention: "24h",
  safety_identifier: "s",
  reasoning_effort: "low",
  verbosity: "low",
  modalities: ["text"],
  prediction: { type: "content", content: "x" },
  web_search_options: {},
  models: ["nano", "other"],
  provider: { order: ["x"] },
  transforms: [],
  top_a: 0.5,
  use_beam_search: false,
  min_tokens: 0,
  skip_special_tokens: true,
  litellm_call_id: "1",
};

test("fields of others are left alone and listed, and change nothing", async (t) => {
  const { baseUrl } = await serveNano(t);
  const plain = await postFor(`${baseUrl}/chat/completions`, chat);
  assert.equal(plain.headers.get("x-molora-ignored"), null);
  const given = { ...chat, ...FOREIGN, nothing: null, stream_options: { include_usage: true, chunked: 1 } };
  const { status, headers, body } = await postFor(`${baseUrl}/chat/completions`, given);
  assert.equal(status, 200, JSON.stringify(body));
  const expected = [...Object.keys(FOREIGN), "stream_options.chunked"].sort();
  assert.deepEqual(headers.get("x-molora-ignored")?.split(", ").sort(), expected);
  const message = (answer: typeof body) => (answer.choices as { message: unknown }[])[0].message;
  assert.deepEqual(message(body), message(plain.body));
  for (const [name, value] of Object.entries(FOREIGN)) {
    const one = await postFor(`${baseUrl}/completions`, { ...text, max_tokens: 1, [name]: value });
    assert.deepEqual([one.status, one.headers.get("x-molora-ignored")], [200, name]);
  }
  const inside = [{ role: "user", content: "Hello", cache_control: { type: "ephemeral" }, reasoning_content: "x" }];
  const nested = await postFor(`${baseUrl}/chat/completions`, { ...chat, messages: inside });
  const listed = nested.headers.get("x-molora-ignored");
  assert.deepEqual([nested.status, listed], [200, "messages.cache_control, messages.reasoning_content"]);
  const streamed = await fetch(`${baseUrl}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...chat, stream: true, store: true }),
  });
  assert.equal(streamed.headers.get("x-molora-ignored"), "store");
  assert.match(await streamed.text(), /\[DONE\]/);
});

test("names that fit no header and a thousand fields still get their answer", async (t) => {
  const { baseUrl } = await serveNano(t);
  const odd = { "å\r\nset-cookie: x": 1, "": 1, ["x".repeat(5000)]: 1, constructor: 1, toString: 2 };
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`field_number_${i}`, i]));
  for (const extra of [odd, many]) {
    const { status, headers } = await postFor(`${baseUrl}/chat/completions`, { ...chat, max_tokens: 1, ...extra });
    assert.equal(status, 200);
    assert.ok((headers.get("x-molora-ignored") ?? "").length > 0);
    assert.equal(headers.get("set-cookie"), null);
  }
});

test("slips in molora's fields are named, with what was meant", async (t) => {
  const { baseUrl } = await serveNano(t);
  const slips: [string, string][] = [
    ["temprature", "temperature"],
    ["temperatur", "temperature"],
    ["temperaturee", "temperature"],
    ["tempereature", "temperature"],
    ["temepratrue", ""],
    ["tempertaure", "temperature"],
    ["max_tokenz", "max_tokens"],
    ["max_token", "max_tokens"],
    ["maxTokens", "max_tokens"],
    ["topK", "top_k"],
    ["top-p", "top_p"],
    ["Stop", "stop"],
    ["streem", "stream"],
    ["tool", "tools"],
    ["respone_format", "response_format"],
    ["stop_token_id", "stop_token_ids"],
    ["logitbias", "logit_bias"],
    ["logits_bias", "logit_bias"],
    ["frequncy_penalty", "frequency_penalty"],
    ["continue_final_mesage", "continue_final_message"],
  ];
  for (const [slip, meant] of slips) {
    const { status, body } = await postFor(`${baseUrl}/chat/completions`, { ...chat, [slip]: 1 });
    if (meant === "") assert.equal(status, 200, `${slip} is two edits away`);
    else assert.deepEqual([status, body.error?.code], [400, "bad_request"], slip);
    if (meant !== "") assert.match(body.error?.message ?? "", new RegExp(`"${slip}".*Did you mean "${meant}"`));
  }
  const option = await postFor(`${baseUrl}/chat/completions`, { ...chat, stream_options: { include_usege: true } });
  assert.match(option.body.error?.message ?? "", /include_usage/);
});

test("--strict refuses what would be left alone", async (t) => {
  const { baseUrl } = await serveNano(t, { strict: true });
  for (const [name, value] of Object.entries(FOREIGN)) {
    const { status, body } = await postFor(`${baseUrl}/chat/completions`, { ...chat, [name]: value });
    assert.deepEqual([status, body.error?.code], [400, "bad_request"], name);
    assert.match(body.error?.message ?? "", new RegExp(name));
  }
  assert.equal((await postFor(`${baseUrl}/chat/completions`, { ...chat, logit_bias: { 5: 1 } })).status, 200);
});

test("logit_bias forbids, forces and tilts, alone and beside others", async (t) => {
  const { baseUrl } = await serveNano(t);
  const prompt = text.prompt;
  const free = await alone({ prompt, raw: true, maxTokens: 3, logprobs: 20 });
  const [first, second] = free.scores[0].top;
  const ask = async (logit_bias: Record<number, number>, extra: object = {}) => {
    const body = { ...text, max_tokens: 1, logprobs: 0, logit_bias, ...extra };
    const answer = await postFor(`${baseUrl}/completions`, body);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return (answer.body.choices as { text: string; logprobs: { token_logprobs: number[] } }[])[0];
  };
  const { tokenizer } = await nano();
  const named = (id: number) => tokenizer.decode([id], { continuation: true });
  const forced = free.scores[0].top[19].id;
  const [none, forbidden, exclusive, tilted, notQuite] = await Promise.all([
    ask({}),
    ask({ [first.id]: -100 }),
    ask({ [forced]: 100 }),
    ask({ [second.id]: first.logprob - second.logprob + 0.01 }),
    ask({ [second.id]: first.logprob - second.logprob - 0.01 }),
  ]);
  assert.equal(none.text, named(first.id));
  assert.equal(forbidden.text, named(second.id));
  assert.equal(exclusive.text, named(forced));
  assert.equal(tilted.text, named(second.id));
  assert.equal(notQuite.text, named(first.id));
  // Reported as the model has it, without the bias.
  assert.ok(Math.abs(exclusive.logprobs.token_logprobs[0] - free.scores[0].top[19].logprob) < 1e-4);
  const sampled = await ask({ [forced]: 100 }, { temperature: 1.5, seed: 3, max_tokens: 4, frequency_penalty: 0.1 });
  assert.equal(sampled.text, named(forced).repeat(4));
});

interface Legacy {
  text: string;
  logprobs: {
    tokens: string[];
    token_logprobs: (number | null)[];
    top_logprobs: (Record<string, number> | null)[];
    text_offset: number[];
  };
}

test("legacy log-probabilities always have the sampled token", async (t) => {
  const { baseUrl } = await serveNano(t);
  for (const logprobs of [0, 1, 3]) {
    const body = { ...text, temperature: 2, seed: 11, max_tokens: 12, logprobs };
    const answer = await postFor(`${baseUrl}/completions`, body);
    const [choice] = answer.body.choices as Legacy[];
    const { tokens, token_logprobs, top_logprobs } = choice.logprobs;
    let outside = 0;
    for (const [i, token] of tokens.entries()) {
      const top = top_logprobs[i] ?? {};
      assert.equal(top[token], token_logprobs[i]);
      assert.ok(Object.keys(top).length === logprobs || Object.keys(top).length === logprobs + 1);
      if (Object.keys(top).length === logprobs + 1) outside++;
    }
    assert.ok(outside > 0, "some token was none of the likeliest");
  }
});

test("echo: the prompt before the text, its log-probabilities before the text's, whole and streamed", async (t) => {
  const server = await serveNano(t);
  const client = new OpenAI({ baseURL: server.baseUrl, apiKey: "none" });
  const { tokenizer } = await nano();
  const prompt = text.prompt;
  const free = await alone({ prompt, raw: true, maxTokens: 5, logprobs: 2, promptLogprobs: 2 });
  const plain = await client.completions.create({ ...text, echo: true });
  assert.equal(plain.choices[0].text, prompt + free.text);
  assert.equal(plain.choices[0].logprobs, null);
  const scored = await client.completions.create({ ...text, echo: true, logprobs: 2 });
  const { tokens = [], token_logprobs = [], top_logprobs = [], text_offset = [] } = scored.choices[0].logprobs ?? {};
  assert.equal(tokens.join(""), prompt + free.text);
  assert.equal(token_logprobs[0], null);
  assert.equal(top_logprobs[0], null);
  const all = [...free.promptScores, ...free.scores];
  assert.equal(token_logprobs.length, all.length + 1);
  for (const [i, { id, logprob, top }] of all.entries()) {
    assert.equal(tokens[i + 1], tokenizer.decode([id], { continuation: true }));
    assert.ok(Math.abs((token_logprobs[i + 1] ?? 0) - logprob) < 1e-4);
    assert.ok(Math.abs((top_logprobs[i + 1]?.[tokens[i + 1]] ?? 0) - logprob) < 1e-4);
    assert.ok(Object.keys(top_logprobs[i + 1] ?? {}).length >= top.length);
    assert.equal(text_offset[i + 1], tokens.slice(0, i + 1).join("").length);
  }
  // What evaluation harnesses ask for: the prompt's scores and no text.
  const only = await client.completions.create({ ...text, echo: true, logprobs: 1, max_tokens: 0 });
  assert.equal(only.choices[0].text, prompt);
  assert.equal(only.choices[0].logprobs?.token_logprobs?.length, free.promptScores.length + 1);
  assert.equal(only.usage?.completion_tokens, 0);
  const nothing = await client.completions.create({ ...text, max_tokens: 0 });
  assert.equal(nothing.choices[0].text, "");
  const ids = tokenizer.encode(prompt);
  const byIds = await client.completions.create({ ...text, prompt: [ids, ids], echo: true });
  for (const choice of byIds.choices) assert.equal(choice.text, tokenizer.decode(ids) + free.text);
  for (const logprobs of [undefined, 2]) {
    const stream = await client.completions.create({
      ...{ ...text, prompt: [prompt, "SELECT"], echo: true, stream: true },
      ...(logprobs === undefined ? {} : { logprobs }),
    });
    const said = ["", ""];
    const named: string[] = [];
    for await (const { choices } of stream) {
      for (const choice of choices) {
        said[choice.index] += choice.text;
        if (choice.index === 0) named.push(...(choice.logprobs?.tokens ?? []));
      }
    }
    assert.equal(said[0], prompt + free.text);
    assert.ok(said[1].startsWith("SELECT") && said[1].length > 6);
    if (logprobs !== undefined) assert.equal(named.join(""), prompt + free.text);
  }
});

test("best_of: the likeliest a token of those that n would have given", async (t) => {
  const { baseUrl } = await serveNano(t);
  const shared = { ...text, temperature: 1, seed: 5, max_tokens: 8, logprobs: 0 };
  const prompts = [text.prompt, "SELECT"];
  const all = await postFor(`${baseUrl}/completions`, { ...shared, prompt: prompts, n: 4 });
  const best = await postFor(`${baseUrl}/completions`, { ...shared, prompt: prompts, n: 2, best_of: 4 });
  assert.equal(best.status, 200, JSON.stringify(best.body));
  const mean = ({ logprobs: { token_logprobs } }: Legacy) =>
    token_logprobs.reduce<number>((sum, value) => sum + (value ?? 0), 0) / token_logprobs.length;
  const choices = all.body.choices as Legacy[];
  const expected = [0, 1].flatMap((i) =>
    choices
      .slice(4 * i, 4 * i + 4)
      .sort((a, b) => mean(b) - mean(a))
      .slice(0, 2)
      .map((choice) => choice.text),
  );
  assert.deepEqual(
    (best.body.choices as Legacy[]).map((choice) => choice.text),
    expected,
  );
  assert.deepEqual(best.body.usage, all.body.usage, "all that was generated counts");
  const { logprobs: _, ...quiet } = shared;
  const unscored = await postFor(`${baseUrl}/completions`, { ...quiet, best_of: 2 });
  assert.equal((unscored.body.choices as Legacy[])[0].logprobs, null);
  const streamed = await postFor(`${baseUrl}/completions`, { ...shared, best_of: 2, stream: true });
  assert.deepEqual([streamed.status, streamed.body.error?.param], [400, "best_of"]);
  const fewer = await postFor(`${baseUrl}/completions`, { ...shared, n: 2, best_of: 1 });
  assert.deepEqual([fewer.status, fewer.body.error?.param], [400, "best_of"]);
});

test("a last assistant message is continued, as vLLM does, and its text is not repeated", async (t) => {
  const { baseUrl } = await serveNano(t);
  const { tokenizer } = await nano();
  const begun = "The tables are ";
  const messages = [
    { role: "user", content: "Hello" },
    { role: "assistant", content: begun },
  ];
  const template = (extra: object) =>
    postFor(`${baseUrl}/chat/completions`, { ...chat, messages, max_tokens: 6, ...extra });
  const content = (answer: { body: Record<string, unknown> }) =>
    (answer.body.choices as { message: { content: string } }[])[0].message.content;
  const continued = await template({ continue_final_message: true, add_generation_prompt: false });
  assert.equal(continued.status, 200, JSON.stringify(continued.body));
  const rendered = renderChat(tokenizer, messages, { addGenerationPrompt: false });
  const cut = rendered.slice(0, rendered.lastIndexOf(begun) + begun.length);
  const expected = await alone({ ids: tokenizer.encode(cut, { addBos: false }), maxTokens: 6 });
  assert.equal(content(continued), expected.text);
  const implied = await template({ continue_final_message: true });
  assert.equal(content(implied), content(continued));
  const closed = await template({ add_generation_prompt: false });
  assert.equal(closed.status, 200);
  const fresh = await template({});
  const counts = [continued, closed, fresh].map(({ body }) => (body.usage as { prompt_tokens: number }).prompt_tokens);
  assert.ok(counts[0] < counts[1] && counts[1] < counts[2], `${counts}: without its end, with it, with a new header`);
  const empty = [
    { role: "user", content: "Hello" },
    { role: "assistant", content: "" },
  ];
  assert.equal((await template({ messages: empty, continue_final_message: true })).status, 200);
});

test("a stream that says nothing for a while says so, in comments that clients skip", async (t) => {
  const { baseUrl } = await serveNano(t, { heartbeatMs: 1 });
  const body = { ...chat, max_tokens: 40, stream: true, ignore_eos: true };
  const raw = await fetch(`${baseUrl}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const events = await raw.text();
  assert.match(events, /^: /m);
  for (const block of events.split("\n\n").filter(Boolean)) assert.match(block, /^(: .*|data: .*)$/);
  const client = new OpenAI({ baseURL: baseUrl, apiKey: "none" });
  let said = "";
  for await (const { choices } of await client.chat.completions.create({ ...body, stream: true })) {
    said += choices[0]?.delta.content ?? "";
  }
  const free = await alone({ messages: chat.messages, maxTokens: 40, ignoreEos: true });
  assert.equal(said, free.text);
});
