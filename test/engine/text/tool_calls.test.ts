// Calls read out of generated text, however it is cut; what only looks like a call stays text.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HERMES, LLAMA3, notationOf, ToolCallReader } from "../../../engine/text/tool_calls.ts";
import { conversation } from "../../../engine/text/tool_prompt.ts";
import type { ChatMessage } from "../../../proto/api.ts";

const NAMES = ["weather", "search"];

function readIn(pieces: readonly string[], notation = HERMES) {
  const reader = new ToolCallReader(notation, NAMES);
  const said = pieces.map((piece) => reader.push(piece)).join("") + reader.flush();
  return { said, calls: reader.calls.map((call) => [call.name, call.arguments]) };
}

const call = (json: string) => `<tool_call>\n${json}\n</tool_call>`;
const rome = call('{"name": "weather", "arguments": {"city": "Rome"}}');

test("Hermes calls, between and around text", () => {
  const made = [["weather", '{"city":"Rome"}']];
  assert.deepStrictEqual(readIn([rome]), { said: "", calls: made });
  assert.deepStrictEqual(readIn([`Let me see. ${rome}`]), { said: "Let me see. ", calls: made });
  const both = `${rome}\n${call('{"name":"search","arguments":{}}')} done`;
  assert.deepStrictEqual(readIn([both]), { said: "\n done", calls: [...made, ["search", "{}"]] });
  // Cut off by the length limit before its end mark: still a call.
  assert.deepStrictEqual(readIn(["<tool_call>", '{"name":"search","arguments":{}}']).calls, [["search", "{}"]]);
});

test("what is no call is said", () => {
  for (const text of ["a < b", "<tool", call("nonsense"), call('{"arguments": {}}'), `<tool_call>{"name": "wea`]) {
    assert.deepStrictEqual(readIn([text]), { said: text, calls: [] });
  }
});

test("the result does not depend on how the text is cut", () => {
  const texts = [`So: ${rome} and <tool_ ${call("{}")} <`, `${rome}${rome}`, "no call at all </tool_call>"];
  const cuts = fc.array(fc.nat(120), { maxLength: 8 });
  fc.assert(
    fc.property(fc.constantFrom(...texts), cuts, (text, places) => {
      const sorted = [0, ...places.filter((at) => at < text.length).sort((a, b) => a - b), text.length];
      const pieces = sorted.slice(1).map((end, i) => text.slice(sorted[i], end));
      assert.deepStrictEqual(readIn(pieces), readIn([text]));
    }),
  );
});

test("Llama 3: the whole text is the call, where it names a tool", () => {
  const text = '{"name": "weather", "parameters": {"city": "Rome"}}';
  assert.deepStrictEqual(readIn([...text], LLAMA3), { said: "", calls: [["weather", '{"city":"Rome"}']] });
  for (const other of ['{"name": "Tom", "parameters": {}}', '{"a": 1}', "Rome is warm {", " Hello"]) {
    assert.deepStrictEqual(readIn([...other], LLAMA3), { said: other, calls: [] });
  }
});

test("the notation is told by the template", () => {
  assert.equal(notationOf(undefined), undefined);
  assert.equal(notationOf("{% for message in messages %}{{ message.content }}{% endfor %}"), undefined);
  assert.equal(notationOf("{% if tools %}<tool_call>{% endif %}"), HERMES);
  assert.equal(notationOf(`{% if tools %}{"name": n, "parameters": p}{% endif %} ipython`), LLAMA3);
  assert.equal(notationOf("{% if tools %}[TOOL_CALLS]{% endif %}"), undefined);
});

const TURNS: ChatMessage[] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Rome?" },
  { role: "assistant", content: "", toolCalls: [{ id: "1", name: "weather", arguments: '{"city":"Rome"}' }] },
  { role: "tool", content: "21", toolCallId: "1", name: "weather" },
];
const TOOLS = [{ name: "weather", description: "Warmth", parameters: { type: "object" } }];

test("a template that knows tools gets them as Hugging Face hands them over", () => {
  const { messages, tools } = conversation("{{ tools }}<tool_call>", TURNS, TOOLS);
  assert.deepStrictEqual(tools, [{ type: "function", function: TOOLS[0] }]);
  assert.deepStrictEqual(messages[2].tool_calls, [
    { id: "1", type: "function", function: { name: "weather", arguments: { city: "Rome" } } },
  ]);
  assert.deepStrictEqual(messages[3], { role: "tool", content: "21", name: "weather", tool_call_id: "1" });
});

test("a template that knows none gets the Hermes notation in plain turns", () => {
  const { messages, tools } = conversation("{{ messages }}", TURNS, TOOLS);
  assert.equal(tools, undefined);
  assert.match(messages[0].content, /^Be brief\.\n\n# Tools[\s\S]*"name":"weather"/);
  assert.equal(messages[2].content, '<tool_call>\n{"name":"weather","arguments":{"city":"Rome"}}\n</tool_call>');
  assert.deepStrictEqual(messages[3], { role: "user", content: "<tool_response>\n21\n</tool_response>" });
  const [system] = conversation("{{ messages }}", TURNS.slice(1, 2), TOOLS).messages;
  assert.equal(system.role, "system");
});

test("arguments that are not JSON cannot be handed to a template", () => {
  const broken: ChatMessage = { role: "assistant", content: "", toolCalls: [{ id: "1", name: "f", arguments: "{" }] };
  assert.throws(() => conversation("{{ tools }}<tool_call>", [broken], TOOLS), { code: "bad_request" });
});
