// An adapter with a vocabulary of its own behind HTTP and the WebSocket: its tokenizer and template, its names of tokens.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { Engine } from "../../../node/index.ts";
import { MoloraClient } from "../../../proto/client.ts";
import { serve } from "../../../server/http/serve.ts";
import { post } from "./http_server.ts";

const FOLDER = "test/fixtures/grown/llama-biases";
const BASE = "test/fixtures/families/models/llama-biases";
const { spellings } = JSON.parse(readFileSync(`${FOLDER}/expected.json`, "utf8"));
const [{ text, ids, decoded, messages, prompt }] = spellings;

const engine = await Engine.load({ model: BASE, adapters: { chat: `${FOLDER}/adapters/chat` }, contextLength: 256 });
const server = await serve(engine, { modelName: "tiny" });
after(async () => {
  await server.close();
  await engine.close();
});

const root = server.baseUrl.replace("/v1", "");
const model = "tiny:chat";
/** The adapter's own, and ids that only it has. */
const favoured = { "322": 100 };

test("texts and conversations become its ids, and its ids texts", async () => {
  const tokens = async (body: object) => (await post(`${root}/tokenize`, { model, ...body })).body;
  assert.deepEqual((await tokens({ prompt: text, return_token_strs: true })).tokens, ids);
  assert.ok(
    ((await tokens({ prompt: text, return_token_strs: true })).token_strs as string[]).includes("<|im_start|>"),
  );
  assert.deepEqual((await tokens({ messages })).tokens, prompt);
  assert.deepEqual((await post(`${root}/detokenize`, { model, tokens: ids })).body, { prompt: decoded });
  const refused = await post(`${root}/detokenize`, { model: "tiny", tokens: ids });
  assert.equal(refused.status, 400);
});

test("answers are spelt by it: text, log-probabilities, the prompt's length, its own end", async () => {
  const asked = { model, messages, max_tokens: 2, logit_bias: favoured, logprobs: true, top_logprobs: 1 };
  const { body } = await post(`${server.baseUrl}/chat/completions`, asked);
  const [choice] = body.choices as { message: { content: string }; logprobs: { content: { token: string }[] } }[];
  assert.equal(choice.message.content, "<|think|><|think|>");
  assert.deepEqual(
    choice.logprobs.content.map(({ token }) => token),
    ["<|think|>", "<|think|>"],
  );
  assert.equal((body.usage as { prompt_tokens: number }).prompt_tokens, prompt.length);
  const ended = await post(`${server.baseUrl}/chat/completions`, { ...asked, logit_bias: { "321": 100 } });
  const [last] = ended.body.choices as { message: { content: string }; finish_reason: string }[];
  assert.deepEqual([last.message.content, last.finish_reason], ["", "stop"]);

  const echo = { model, prompt: text, max_tokens: 1, echo: true, logprobs: 0, logit_bias: favoured };
  const completion = await post(`${server.baseUrl}/completions`, echo);
  const [said] = completion.body.choices as { text: string; logprobs: { tokens: string[] } }[];
  assert.equal(said.text, `${text}<|think|>`);
  assert.equal(said.logprobs.tokens.join(""), `${text}<|think|>`);

  const input = [{ role: "user", content: messages[0].content }];
  const response = await post(`${server.baseUrl}/responses`, {
    model,
    input,
    max_output_tokens: 2,
    logit_bias: favoured,
  });
  assert.match(JSON.stringify(response.body.output), /<\|think\|><\|think\|>/);
  const base = await post(`${server.baseUrl}/chat/completions`, { ...asked, model: "tiny" });
  assert.match(base.body.error?.message ?? "", /logitBias names 322|no token id/);
});

test("the WebSocket tells of its vocabulary, and streams its text", async () => {
  const client = await MoloraClient.connect(`${root.replace("http", "ws")}/v1/stream`);
  try {
    const [report] = await client.adapters();
    assert.deepEqual(report.vocabulary, { tokens: 323, tokenizer: "own" });
    let said = "";
    const request = { messages, adapter: "chat", maxTokens: 2, logitBias: [{ id: 322, bias: 100 }] };
    for await (const event of client.generate(request)) said += event.type === "token" ? event.text : "";
    assert.equal(said, "<|think|><|think|>");
  } finally {
    await client.close();
  }
});
