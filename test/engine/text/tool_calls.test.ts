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
  for (const length of [1, 5, 11]) {
    assert.deepStrictEqual(readIn([rome.slice(0, -length)]), { said: "", calls: made });
  }
  // Cut off by the length limit before its end mark: still a call.
  assert.deepStrictEqual(readIn(["<tool_call>", '{"name":"search","arguments":{}}']).calls, [["search", "{}"]]);
});

test("what is no call is said", () => {
  for (const text of ["a < b", "<tool", call("nonsense"), call('{"arguments": {}}'), `<tool_call>{"name": "wea`]) {
    assert.deepStrictEqual(readIn([text]), { said: text, calls: [] });
  }
});

test("what was cut in the middle of a call shows none of its markup", () => {
  const cutOff = (text: string, notation = HERMES) => {
    const reader = new ToolCallReader(notation, NAMES);
    return {
      said: [...text].map((char) => reader.push(char)).join("") + reader.flush(true),
      calls: reader.calls.length,
    };
  };
  for (let length = 2; length < rome.length - "\n</tool_call>".length; length++) {
    assert.deepStrictEqual(cutOff(rome.slice(0, length)), { said: "", calls: 0 }, `${length}`);
    assert.deepStrictEqual(cutOff(`So: ${rome.slice(0, length)}`), { said: "So: ", calls: 0 });
    assert.deepStrictEqual(cutOff(`${rome}${rome.slice(0, length)}`), { said: "", calls: 1 });
  }
  for (const text of ["a < b", "a <", "1 <= 2", "<table>"])
    assert.deepStrictEqual(cutOff(text), { said: text, calls: 0 });
  const llama = '{"name": "weather", "parameters": {"city": "Rome"}}';
  for (let length = 2; length < llama.length; length++) {
    assert.deepStrictEqual(cutOff(llama.slice(0, length), LLAMA3), { said: "", calls: 0 });
  }
  for (const text of ['{"name": "Tom", "a', '{"a": 1', "Rome {"]) {
    assert.deepStrictEqual(cutOff(text, LLAMA3), { said: text, calls: 0 });
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

test("a call sent back with empty arguments had none", () => {
  for (const text of ["", "  \n"]) {
    const empty: ChatMessage = { role: "assistant", content: "", toolCalls: [{ id: "1", name: "f", arguments: text }] };
    const [native] = conversation("{{ tools }}<tool_call>", [empty], TOOLS).messages;
    assert.deepStrictEqual(native.tool_calls?.[0].function, { name: "f", arguments: {} });
    const retold = conversation("{{ messages }}", [empty], []).messages;
    assert.equal(retold[0].content, '<tool_call>\n{"name":"f","arguments":{}}\n</tool_call>');
  }
});

test("arguments that are not JSON cannot be handed to a template", () => {
  const broken: ChatMessage = { role: "assistant", content: "", toolCalls: [{ id: "1", name: "f", arguments: "{" }] };
  assert.throws(() => conversation("{{ tools }}<tool_call>", [broken], TOOLS), { code: "bad_request" });
});
