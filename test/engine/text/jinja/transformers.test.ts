// Templates of every family's kind on twenty-odd conversations each, and Jinja piece by piece, against transformers
// (test/fixtures/scripts/chat_templates.py).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { type ChatOptions, renderChat } from "../../../../engine/text/chat_template.ts";
import { chatText } from "../../../../engine/text/chat_text.ts";
import { Template } from "../../../../engine/text/jinja/template.ts";
import { loadTokenizer, type Tokenizer } from "../../../../engine/text/tokenizer.ts";
import type { TemplateMessage } from "../../../../engine/text/tool_prompt.ts";
import { wholeFiles } from "../malformed.ts";

interface Result {
  text?: string;
  /** transformers' error. */
  refused?: string;
}
interface Case extends Result {
  name: string;
  messages: TemplateMessage[];
  tools?: Record<string, unknown>[];
  add_generation_prompt?: boolean;
  continue_final_message?: boolean;
  /** All others are variables of the template. */
  [variable: string]: unknown;
}
interface Fixture {
  now: [number, number, number, number, number, number];
  variables: Record<string, unknown>;
  families: Record<string, Case[]>;
  snippets: (Result & { source: string })[];
}

const fixture: Fixture = JSON.parse(
  gunzipSync(readFileSync("test/fixtures/text/chat_templates.json.gz")).toString("utf8"),
);
const [year, month, ...time] = fixture.now;
const now = new Date(year, month - 1, ...time);

function source(name: string): string {
  return readFileSync(`test/fixtures/text/templates/${name}.jinja`, "utf8");
}

function withTemplates(name: string): Tokenizer {
  const { tokenizer, tokenizerConfig } = wholeFiles();
  const templates =
    name === "named"
      ? { chatTemplate: source("named.default"), toolTemplate: source("named.tool_use") }
      : { chatTemplate: source(name) };
  return loadTokenizer({ kind: "hf", tokenizer, tokenizerConfig, ...templates });
}

function optionsOf(example: Case): ChatOptions {
  const { name, messages, tools, add_generation_prompt, continue_final_message, text, refused, ...kwargs } = example;
  return {
    addGenerationPrompt: add_generation_prompt ?? false,
    continueFinalMessage: continue_final_message ?? false,
    ...(tools && { tools }),
    kwargs,
    now,
  };
}

for (const [name, cases] of Object.entries(fixture.families)) {
  const tokenizer = withTemplates(name);

  test(`${name}: ${cases.length} conversations`, () => {
    assert.ok(cases.filter(({ text }) => text !== undefined).length >= 10);
    for (const example of cases) {
      const render = () => renderChat(tokenizer, example.messages, optionsOf(example));
      if (example.text === undefined) {
        assert.throws(render, { code: "chat_template_failed" }, `${example.name}: ${example.refused}`);
      } else assert.equal(render(), example.text, example.name);
    }
  });

  test(`${name}: what is encoded is the same text, and no message, tool or variable forges a control token`, () => {
    for (const example of cases.filter(({ text }) => text !== undefined)) {
      const chat = chatText(tokenizer, example.messages, optionsOf(example));
      assert.equal(chat.text, example.text, example.name);
      assert.equal(chat.marked.replaceAll(chat.encoding.mark!, ""), example.text, example.name);
      const ids = tokenizer.encode(chat.marked, chat.encoding);
      assert.equal(
        tokenizer.decode(ids).length,
        tokenizer.decode(tokenizer.encode(chat.text, { addBos: false })).length,
      );
      const spelt = (text: string) => (JSON.stringify(text).match(/<\/?s>/g) ?? []).length;
      const said = spelt(JSON.stringify([example.messages, example.tools ?? [], optionsOf(example).kwargs]));
      const control = ids.filter((id) => id === tokenizer.bosId || id === tokenizer.eosId).length;
      // Those that the template writes, and none of those that were said.
      if (said === 0) assert.equal(control, spelt(example.text!), example.name);
      else assert.ok(control < spelt(example.text!), example.name);
    }
  });
}

test(`${fixture.snippets.length} pieces of Jinja`, () => {
  const wrong = fixture.snippets.flatMap(({ source: snippet, text, refused }) => {
    let found: string | undefined;
    let error = "";
    try {
      found = new Template(snippet).render(fixture.variables, now);
    } catch (thrown) {
      error = (thrown as Error).message;
    }
    return found === text ? [] : [{ snippet, found, error, text, refused }];
  });
  assert.deepEqual(wrong, []);
});

test("a template that does not end is refused", () => {
  const endless = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
  assert.throws(() => new Template(endless).render({}), /does not come to an end/);
  assert.throws(() => new Template("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").render({}));
  assert.throws(() => new Template(`{{ ${"(".repeat(5000)}1${")".repeat(5000)} }}`), /nested too deep/);
});

test("what does not parse is refused with its line", () => {
  assert.throws(() => new Template("a\n{{ x | nosuch }}"), /line 2: there is no filter nosuch/);
  assert.throws(() => new Template("a\n\n{% if x is nosuch %}{% endif %}"), /line 3: there is no test nosuch/);
  assert.throws(() => new Template("{% extends 'x' %}"), /line 1: unknown statement extends/);
});
