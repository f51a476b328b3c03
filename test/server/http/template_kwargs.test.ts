// Variables of a chat template over HTTP, over WebSocket, from the command line and from the engine's own options; and what
// of a template is checked when a model is loaded.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { Engine, type LoadOptions } from "../../../node/index.ts";
import { MoloraClient } from "../../../proto/client.ts";
import { serve } from "../../../server/http/serve.ts";
import { json, molora } from "../../cli/run.ts";
import { post } from "./http_server.ts";

const TEMPLATE = `{% for m in messages %}{{ m.content }};{% endfor %}
{%- if enable_thinking is defined and enable_thinking is false %}<no>{% endif %}
{%- for d in documents or [] %}[{{ d.title }}: {{ d.text }}]{% endfor %}{{ style | default("plain") }}`;

/** nano with a template of its own. */
function withTemplate(t: TestContext, template: string): string {
  const folder = mkdtempSync(join(tmpdir(), "molora-template-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const files = readdirSync("models/nano", { withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { name } of files) symlinkSync(resolve("models/nano", name), join(folder, name));
  writeFileSync(join(folder, "chat_template.jinja"), template);
  return folder;
}

async function load(t: TestContext, options: Omit<LoadOptions, "model"> = {}): Promise<Engine> {
  const engine = await Engine.load({ model: withTemplate(t, TEMPLATE), ...options });
  t.after(() => engine.close());
  return engine;
}

const messages = [{ role: "user", content: "Hi" }];

async function promptOf(engine: Engine, chatTemplateKwargs?: Record<string, unknown>): Promise<string> {
  const ids = await engine.promptIds({ messages, ...(chatTemplateKwargs && { chatTemplateKwargs }) });
  return engine.tokenizer.decode(ids);
}

test("a request's variables reach the template, over those the engine was started with", async (t) => {
  const engine = await load(t, { chatTemplateKwargs: { style: "own", enable_thinking: false } });
  assert.equal(await promptOf(engine), "Hi;<no>own");
  assert.equal(await promptOf(engine, { style: "mine" }), "Hi;<no>mine");
  assert.equal(
    await promptOf(engine, { enable_thinking: true, documents: [{ title: "T", text: "x" }] }),
    "Hi;[T: x]own",
  );
});

test("what a request says elsewhere is no variable, and without a template there is none", async (t) => {
  const engine = await load(t);
  for (const name of ["messages", "tools", "add_generation_prompt", "chat_template", "tokenize"]) {
    await assert.rejects(promptOf(engine, { [name]: 1 }), { code: "bad_request", message: new RegExp(name) });
  }
  const chatTemplateKwargs = { style: "x" };
  for (const input of [{ prompt: "a", raw: true }, { ids: [1] }]) {
    await assert.rejects(engine.promptIds({ ...input, chatTemplateKwargs }), { code: "bad_request" });
  }
});

test("variables forge no control token", async (t) => {
  const engine = await load(t);
  const [token] = engine.tokenizer.controlTexts;
  const kwargs = { style: token, documents: [{ title: token, text: `x${token}` }] };
  const ids = await engine.promptIds({ messages, chatTemplateKwargs: kwargs });
  assert.deepEqual(
    ids.filter((id) => engine.tokenizer.specialIds.has(id)),
    [],
  );
  assert.equal(engine.tokenizer.decode(ids), `Hi;[${token}: x${token}]${token}`);
});

test("chat_template_kwargs and documents over HTTP, chatTemplateKwargs over WebSocket in each encoding", async (t) => {
  const engine = await load(t);
  const server = await serve(engine, {});
  t.after(() => server.close());
  const root = server.baseUrl.replace(/\/v1$/, "");
  const models = (await (await fetch(`${server.baseUrl}/models`)).json()) as { data: { id: string }[] };
  const chat = { model: models.data[0]!.id, messages, max_tokens: 1 };
  const tokensOf = async (chatTemplateKwargs: Record<string, unknown>) =>
    (await engine.promptIds({ messages, chatTemplateKwargs })).length;
  const asked = async (fields: object) => {
    const { status, body } = await post(`${server.baseUrl}/chat/completions`, { ...chat, ...fields });
    assert.equal(status, 200, JSON.stringify(body));
    return (body.usage as { prompt_tokens: number }).prompt_tokens;
  };
  const off = { enable_thinking: false };
  const documents = [{ title: "A title", text: "A text" }];
  assert.equal(await asked({ chat_template_kwargs: off }), await tokensOf(off));
  assert.equal(await asked({ documents, chat_template_kwargs: off }), await tokensOf({ ...off, documents }));
  const tokenized = await post(`${root}/tokenize`, { messages, chat_template_kwargs: off });
  assert.equal(engine.tokenizer.decode(tokenized.body.tokens as number[]), "Hi;<no>plain");
  const refused = await post(`${server.baseUrl}/chat/completions`, { ...chat, chat_template_kwargs: [1] });
  assert.equal(refused.status, 400);
  assert.match(JSON.stringify(refused.body), /chat_template_kwargs/);
  for (const encoding of ["proto", "msgpack", "json"] as const) {
    const client = await MoloraClient.connect(server.url, { encoding });
    t.after(() => client.close());
    const events = client.generate({ messages, maxTokens: 1, chatTemplateKwargs: { ...off, documents } });
    for await (const event of events) {
      if (event.type === "done") {
        assert.equal(event.usage.promptTokens, await tokensOf({ ...off, documents }), encoding);
      }
    }
  }
});

test("from the command line", async (t) => {
  const model = withTemplate(t, TEMPLATE);
  const ask = (...more: string[]) =>
    molora(["generate", "--model", model, "--prompt", "Hi", "--max-tokens", "1", "--json", ...more]);
  const tokens = async (...more: string[]) =>
    json<{ usage: { prompt_tokens: number } }>(await ask(...more)).usage.prompt_tokens;
  assert.ok((await tokens("--chat-template-kwargs", '{"enable_thinking": false}')) > (await tokens()));
  const wrong = await ask("--chat-template-kwargs", "[1]");
  assert.equal(wrong.code, 2);
  assert.match(wrong.stdout + wrong.stderr, /chat-template-kwargs must be a JSON object/);
});

test("a template that cannot be rendered is refused when the model is loaded, by what is wrong with it", async (t) => {
  for (const [template, message] of [
    ["{% for m in messages %}", /line 1: endfor is missing/],
    ["\n{{ messages | nosuch }}", /line 2: there is no filter nosuch/],
  ] as const) {
    const model = withTemplate(t, template);
    await assert.rejects(Engine.load({ model }), { code: "chat_template_failed", message });
  }
});

test("a model without a template goes on with the prompt as it is, and says so", async () => {
  const ran = await molora([
    "generate",
    "--model",
    "test/fixtures/stories260K",
    "--prompt",
    "Once upon a time",
    "--max-tokens",
    "8",
  ]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /^, there was a little/);
  assert.match(ran.stderr, /no chat template; the prompt is taken as it is/);
});
