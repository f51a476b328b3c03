// A conversation with tools as a chat template takes it, or retold in plain turns for a template that knows no tools.
// tool_calls.ts reads the calls back.

import type { ChatMessage, Tool, ToolCall } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { HERMES, notationOf } from "./tool_calls.ts";

/** A message as Hugging Face templates expect it. */
export interface TemplateMessage {
  role: string;
  content: string;
  name?: string;
  tool_call_id?: string;
  tool_calls?: TemplateCall[];
}

interface TemplateCall {
  id: string;
  type: "function";
  function: { name: string; arguments: unknown };
}

export interface TemplateConversation {
  messages: TemplateMessage[];
  tools?: Record<string, unknown>[];
}

/**
 * What to render. A template that lists tools in a notation that can be read back gets them as they are; any other gets
 * the Hermes notation explained in the system turn, calls as text, and a tool's answers as turns of the user.
 */
export function conversation(
  chatTemplate: string | undefined,
  messages: readonly ChatMessage[],
  tools: readonly Tool[],
): TemplateConversation {
  const hasToolTurns = messages.some(({ role, toolCalls }) => role === "tool" || toolCalls !== undefined);
  if (tools.length === 0 && !hasToolTurns) return { messages: messages.map(plain) };
  if (notationOf(chatTemplate) !== undefined) {
    return { messages: messages.map(native), ...(tools.length === 0 ? {} : { tools: tools.map(described) }) };
  }
  const turns = messages.map(retold);
  return { messages: tools.length === 0 ? turns : withSystem(turns, explain(tools)) };
}

/** A tool in the shape OpenAI gave it, which templates print. */
function described({ name, description, parameters }: Tool): Record<string, unknown> {
  const about = description === undefined ? {} : { description };
  return {
    type: "function",
    function: { name, ...about, parameters: parameters ?? { type: "object", properties: {} } },
  };
}

function plain({ role, content, name }: ChatMessage): TemplateMessage {
  return { role, content, ...(name === undefined ? {} : { name }) };
}

function native(message: ChatMessage): TemplateMessage {
  const { toolCallId, toolCalls } = message;
  return {
    ...plain(message),
    ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
    ...(toolCalls === undefined ? {} : { tool_calls: toolCalls.map(templateCall) }),
  };
}

function templateCall(call: ToolCall): TemplateCall {
  return { id: call.id, type: "function", function: { name: call.name, arguments: callArguments(call) } };
}

function callArguments(call: ToolCall): unknown {
  // What some clients send back, and some servers wrote, for a call without arguments.
  if (call.arguments.trim() === "") return {};
  try {
    return JSON.parse(call.arguments);
  } catch (cause) {
    throw new MoloraError("bad_request", `the arguments of the call ${call.id} are not JSON`, {
      remedy: "Send back the arguments as the model wrote them.",
      details: { field: "toolCalls.arguments" },
      cause,
    });
  }
}

function retold(message: ChatMessage): TemplateMessage {
  const { role, content, toolCalls = [] } = message;
  if (role === "tool") return { role: "user", content: `<tool_response>\n${content}\n</tool_response>` };
  const calls = toolCalls.map((call) => {
    const json = JSON.stringify({ name: call.name, arguments: callArguments(call) });
    return `${HERMES.begin}\n${json}\n${HERMES.end}`;
  });
  return { ...plain(message), content: [content, ...calls].filter((part) => part !== "").join("\n") };
}

function withSystem(turns: TemplateMessage[], text: string): TemplateMessage[] {
  const [first, ...rest] = turns;
  if (first?.role !== "system") return [{ role: "system", content: text }, ...turns];
  return [{ ...first, content: `${first.content}\n\n${text}` }, ...rest];
}

/** The instructions Hermes models were trained with. */
function explain(tools: readonly Tool[]): string {
  const list = tools.map((tool) => JSON.stringify(described(tool))).join("\n");
  return `# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
${list}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>`;
}
