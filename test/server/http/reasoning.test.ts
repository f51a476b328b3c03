// A model that thinks, over HTTP: its thoughts are reasoning_content, and an item of their own in /v1/responses.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import { Engine } from "../../../node/index.ts";
import type { GenerationEvent } from "../../../proto/api.ts";
import { serve } from "../../../server/http/serve.ts";
import { withMethods } from "../../../server/port.ts";
import { closeEngine, nano, post } from "./http_server.ts";

after(closeEngine);

const TURNS =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1] }}<|im_end|>\n{% endfor %}";
const TEMPLATE = `${TURNS}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}`;
const QUESTION = { model: "nano", messages: [{ role: "user", content: "2 + 2?" }] };

/** nano with another template, whose answer is `text`, a few characters a token. */
async function thinking(t: TestContext, text: string, thinks?: true): Promise<string> {
  const engine = await nano();
  const tokenizer = JSON.parse(await readFile("models/nano/tokenizer.json", "utf8"));
  const scripted = withMethods(engine, {
    async *generate(request, options): AsyncGenerator<GenerationEvent> {
      for await (const event of engine.generate({ ...request, maxTokens: 1 }, {})) {
        if (event.type !== "done") continue;
        const accepted = { promptTokens: event.usage.promptTokens, generations: event.generations, experts: [] };
        options?.onAccepted?.({ ...accepted, ...(thinks ? { thinks } : {}) });
        const pieces = text.match(/.{1,3}/gs)!;
        for (const [index, piece] of pieces.entries()) yield { type: "token", index, id: 5, text: piece };
        yield { ...event, text: "", finishReason: "stop", usage: { ...event.usage, completionTokens: pieces.length } };
      }
    },
  });
  const files = { kind: "hf", tokenizer, tokenizerConfig: undefined, chatTemplate: TEMPLATE } as const;
  const own = loadTokenizer(files);
  const server = await serve({ ...scripted, tokenizer: own, tokenizerOf: () => own }, {});
  t.after(() => server.close());
  return server.baseUrl;
}

async function streamed(url: string, body: object): Promise<Record<string, unknown>[]> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...body, stream: true }),
  });
  const lines = (await response.text()).split("\n").filter((line) => line.startsWith("data: {"));
  return lines.map((line) => JSON.parse(line.slice(6)));
}

const CASES = [
  ["<think>\nAdd them.\n</think>\n\nFour.", undefined, "Add them.", "Four."],
  ["Add them.\n</think>\n\nFour.", true, "Add them.", "Four."],
  ["Four.", undefined, "", "Four."],
] as const;

for (const [text, inside, reasoning, said] of CASES) {
  test(`${JSON.stringify(text)}: thought and answer apart, whole and streamed`, async (t) => {
    const url = await thinking(t, text, inside);
    const { body } = await post(`${url}/chat/completions`, QUESTION);
    const [{ message }] = body.choices as { message: { content: string; reasoning_content?: string } }[];
    assert.deepEqual([message.reasoning_content ?? "", message.content], [reasoning, said]);

    const chunks = await streamed(`${url}/chat/completions`, QUESTION);
    const deltas = chunks.map((chunk) => (chunk.choices as { delta: Record<string, string> }[])[0].delta);
    assert.equal(deltas.map((delta) => delta.reasoning_content ?? "").join(""), reasoning);
    assert.equal(deltas.map((delta) => delta.content ?? "").join(""), said);

    const { body: response } = await post(`${url}/responses`, { model: "nano", input: "2 + 2?" });
    const output = response.output as { type: string; content: { text: string }[] }[];
    const items = output.map(({ type, content }) => [type, content[0].text]);
    const thought = reasoning === "" ? [] : [["reasoning", reasoning]];
    assert.deepEqual(items, [...thought, ["message", said]]);
    const { output_tokens_details } = response.usage as { output_tokens_details: { reasoning_tokens: number } };
    assert.equal(output_tokens_details.reasoning_tokens > 0, reasoning !== "");

    const events = await streamed(`${url}/responses`, { model: "nano", input: "2 + 2?" });
    const told = (type: string) => events.filter((event) => event.type === type);
    assert.equal(
      told("response.reasoning_text.delta")
        .map(({ delta }) => delta)
        .join(""),
      reasoning,
    );
    assert.equal(
      told("response.output_text.delta")
        .map(({ delta }) => delta)
        .join(""),
      said,
    );
    const added = told("response.output_item.added").map(({ output_index }) => output_index);
    assert.deepEqual(added, reasoning === "" ? [0] : [0, 1]);
    assert.deepEqual(
      events.map(({ sequence_number }) => sequence_number),
      events.map((_, i) => i),
    );
  });
}

test("a prompt that opens the thought, thoughts that come back, and the makers' sampling, with the real engine", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "molora-thinks-"));
  t.after(() => rm(folder, { recursive: true }));
  await cp("models/nano", folder, { recursive: true });
  await writeFile(join(folder, "chat_template.jinja"), TEMPLATE.replace("assistant\n{% e", "assistant\n<think>\n{% e"));
  const generation = JSON.parse(await readFile("models/nano/generation_config.json", "utf8"));
  const sampling = { do_sample: true, temperature: 0.6, top_k: 20, top_p: 0.95, repetition_penalty: 1.05 };
  await writeFile(join(folder, "generation_config.json"), JSON.stringify({ ...generation, ...sampling }));
  const engine = await Engine.load({ model: folder });
  const server = await serve(engine, {});
  t.after(async () => {
    await server.close();
    await engine.close();
  });
  assert.deepEqual(engine.samplingDefaults, { temperature: 0.6, topK: 20, topP: 0.95, repetitionPenalty: 1.05 });
  const model = folder.split("/").at(-1)!;
  const ask = (more: object) =>
    post(`${server.baseUrl}/chat/completions`, { ...QUESTION, model, max_tokens: 8, ...more });
  const text = async (more: object) => JSON.stringify((await ask(more)).body.choices).replace(/"molora":.*/, "");
  // Nothing said: as with the model's own settings said, and not as greedy.
  const { do_sample: _, ...own } = sampling;
  assert.equal(await text({ seed: 3 }), await text({ seed: 3, ...own }));
  const { body } = await ask({ temperature: 0 });
  const [{ message }] = body.choices as { message: Record<string, string> }[];
  assert.equal(message.content, "");
  assert.ok(message.reasoning_content.length > 0);

  const root = server.baseUrl.replace("/v1", "");
  const history = (turn: object) => ({
    model,
    messages: [...QUESTION.messages, { role: "assistant", ...turn }, { role: "user", content: "And 3?" }],
  });
  const count = async (turn: object) => (await post(`${root}/tokenize`, history(turn))).body.count;
  // This template takes thoughts out again; what is said next to them stays.
  const plain = await count({ content: "\n\nFour." });
  assert.equal(await count({ content: "Four.", reasoning_content: "Add them, <think> hard." }), plain);
});
