import assert from "node:assert/strict";
import { test } from "node:test";
import { renderChat } from "../../../engine/text/chat_template.ts";
import { loadTokenizer, type Tokenizer } from "../../../engine/text/tokenizer.ts";
import { type ChatRow, fixture, nanoFolder, openFolder, smollm2Metadata } from "./models.ts";

const metadata = await smollm2Metadata();
const MODELS: [string, Tokenizer | undefined, string][] = [
  ["nano", openFolder(nanoFolder()), "models/nano and shared/ absent"],
  ["smollm2", metadata && loadTokenizer({ kind: "gguf", metadata }), "SmolLM2's GGUF is not in the cache"],
];

for (const [name, tokenizer, absent] of MODELS) {
  test(`${name}: conversations render and encode as in transformers`, (t) => {
    if (tokenizer === undefined) return t.skip(absent);
    for (const row of fixture<{ chats: ChatRow[] }>(name).chats) {
      const text = renderChat(tokenizer, row.messages, { addGenerationPrompt: row.addGenerationPrompt });
      assert.equal(text, row.text);
      assert.deepEqual(tokenizer.encode(text, { addBos: false }), row.ids);
    }
  });
}

function withTemplate(chatTemplate: string | undefined): Tokenizer {
  const tokenizer = {
    added_tokens: [{ id: 2, content: "<s>", special: true }],
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: { a: 0, b: 1 }, merges: [] },
  };
  return loadTokenizer({ kind: "hf", tokenizer, tokenizerConfig: { bos_token: { content: "<s>" } }, chatTemplate });
}

function render(template: string | undefined, tools?: Record<string, unknown>[]) {
  const messages = [{ role: "user", content: "hi" }];
  return renderChat(withTemplate(template), messages, { addGenerationPrompt: true, ...(tools ? { tools } : {}) });
}

test("templates get the variables transformers gives", () => {
  assert.equal(render("{{ bos_token }}|{{ eos_token }}|{{ eos_token is defined }}"), "<s>||False");
  assert.equal(render("{% if tools %}x{% endif %}{{ tools is none }}{{ documents is none }}"), "TrueTrue");
  assert.equal(
    render("{{ tools | tojson }}", [{ name: "é", n: [1, true, null] }]),
    '[{"name": "é", "n": [1, true, null]}]',
  );
  assert.match(render("{{ strftime_now('%Y-%m-%d') }}"), /^\d{4}-\d\d-\d\d$/);
  assert.equal(render("{{ messages[0].role }}{{ messages[0]['content'] }}{{ add_generation_prompt }}"), "userhiTrue");
});

test("a last message is continued: its text as it is, and nothing of its end, whatever it spells", (t) => {
  const [[, nano, absent]] = MODELS;
  if (nano === undefined) return t.skip(absent);
  // The second stands in the end's own special token, the third begins and ends with space, the last is empty.
  for (const content of ["Once upon", "endoftext", " a \n", "<|endoftext|>", "MOLORA", ""]) {
    const messages = [
      { role: "user", content },
      { role: "assistant", content },
    ];
    const whole = renderChat(nano, messages, { addGenerationPrompt: false });
    const continued = renderChat(nano, messages, { addGenerationPrompt: true, continueFinalMessage: true });
    assert.ok(continued.endsWith(`<|assistant|>\n${content}`), JSON.stringify(continued));
    assert.ok(whole.startsWith(continued) && whole.length > continued.length);
  }
  const over = (template: string) =>
    renderChat(withTemplate(template), [{ role: "assistant", content: "a " }], {
      addGenerationPrompt: false,
      continueFinalMessage: true,
    });
  assert.equal(over("<{{ messages[0].content | trim }}>"), "<a");
  assert.equal(over("<{{ messages[0].content }}>"), "<a ");
  assert.throws(() => over("nothing"), { code: "chat_template_failed", message: /leaves the last message's text out/ });
});

test("a model without a chat template says what to do instead", () => {
  assert.throws(
    () => render(undefined),
    (error: Error & { code?: string; remedy?: string }) =>
      error.code === "chat_template_missing" && /raw prompt/.test(error.remedy ?? ""),
  );
});

test("what a template raises is passed on in its own words", () => {
  assert.throws(() => render("{{ raise_exception('Roles must alternate') }}"), {
    code: "chat_template_failed",
    message: /Roles must alternate/,
  });
});

test("a template that does not parse is refused", () => {
  assert.throws(() => render("{% for %}"), { code: "chat_template_failed", message: /does not parse/ });
});
