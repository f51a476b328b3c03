// `/tokenize` and `/detokenize` as vLLM's clients call them: ids, counts and texts are the tokenizer's own.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { renderChat } from "../../../engine/text/chat_template.ts";
import { closeEngine, nano, post, serveNano } from "./http_server.ts";

after(closeEngine);

test("texts, chats and back", async (t) => {
  const root = (await serveNano(t)).baseUrl.replace("/v1", "");
  const engine = await nano();
  const { tokenizer } = engine;
  const prompt = "Grüße, 世界 🙂 SELECT count(*)";
  const { status, body } = await post(`${root}/tokenize`, { model: "nano", prompt, return_token_strs: true });
  const tokens = tokenizer.encode(prompt);
  assert.equal(status, 200);
  assert.deepEqual(body, {
    count: tokens.length,
    max_model_len: engine.contextLength,
    tokens,
    token_strs: tokens.map((id) => tokenizer.tokenText(id)),
  });
  const back = await post(`${root}/detokenize`, { model: "nano", tokens });
  assert.deepEqual(back.body, { prompt: tokenizer.decode(tokens) });
  const bare = await post(`${root}/tokenize`, { prompt, add_special_tokens: false });
  assert.deepEqual(bare.body.tokens, tokenizer.encode(prompt, { addBos: false }));
  assert.equal(bare.body.token_strs, null);
  const messages = [{ role: "user", content: "Hello" }];
  const ids = async (extra: object) => {
    const answer = await post(`${root}/tokenize`, { model: "nano", messages, ...extra });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body.tokens as number[];
  };
  const rendered = (addGenerationPrompt: boolean) =>
    tokenizer.encode(renderChat(tokenizer, messages, { addGenerationPrompt }), { addBos: false });
  assert.deepEqual(await ids({}), rendered(true));
  assert.deepEqual(await ids({ add_generation_prompt: false }), rendered(false));
  const continued = tokenizer.decode(await ids({ continue_final_message: true }));
  assert.ok(continued.endsWith("Hello"));
  const chat = { model: "nano", messages, max_tokens: 1 };
  const usage = (await post(`${root}/v1/chat/completions`, chat)).body.usage as { prompt_tokens: number };
  assert.equal(usage.prompt_tokens, rendered(true).length);
});

test("refused by name, and no longer than a prompt can be", async (t) => {
  const root = (await serveNano(t)).baseUrl.replace("/v1", "");
  const bad: [string, object, number, string][] = [
    ["tokenize", {}, 400, "bad_request"],
    ["tokenize", { prompt: 5 }, 400, "bad_request"],
    ["tokenize", { prompt: "x", model: "gpt-5" }, 404, "unknown_model"],
    ["tokenize", { prompt: "x", add_special_token: true }, 400, "bad_request"],
    ["tokenize", { messages: [] }, 400, "bad_request"],
    ["tokenize", { prompt: " ".repeat(2 ** 22) }, 400, "prompt_too_long"],
    ["tokenize", { messages: [{ role: "user", content: " ".repeat(2 ** 22) }] }, 400, "prompt_too_long"],
    ["detokenize", {}, 400, "bad_request"],
    ["detokenize", { tokens: [-1] }, 400, "bad_request"],
    ["detokenize", { tokens: [1.5] }, 400, "bad_request"],
    ["detokenize", { tokens: ["1"] }, 400, "bad_request"],
    ["detokenize", { tokens: [10 ** 9] }, 400, "bad_request"],
  ];
  for (const [path, body, status, code] of bad) {
    const begun = performance.now();
    const answer = await post(`${root}/${path}`, body);
    assert.deepEqual([answer.status, answer.body.error?.code], [status, code], JSON.stringify(body).slice(0, 80));
    assert.ok(performance.now() - begun < 2000);
  }
});

test("where a key is asked for, these ask too", async (t) => {
  const root = (await serveNano(t, { apiKey: "key" })).baseUrl.replace("/v1", "");
  for (const path of ["tokenize", "tokenize?x=1", "detokenize"]) {
    assert.equal((await post(`${root}/${path}`, { prompt: "x", tokens: [] })).status, 401);
  }
  assert.equal((await post(`${root}/tokenize`, { prompt: "x" }, { authorization: "Bearer key" })).status, 200);
});
