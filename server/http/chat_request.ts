// The body of `/v1/chat/completions` as a request to the engine.

import { joined } from "../../engine/text/reasoning.ts";
import type { Fields } from "../../files/fields.ts";
import type { ChatMessage, GenerateRequest, ResponseFormat, Tool, ToolCall, ToolChoice } from "../../proto/api.ts";
import { MAX_MESSAGES } from "../../proto/contract.ts";
import {
  COMPLETION_FIELDS,
  checkRequest,
  type Delivery,
  formatBeside,
  openBody,
  readDelivery,
  readExtension,
  readSettings,
  type ServedModel,
} from "./request_fields.ts";
import type { UnknownFields } from "./unknown_fields.ts";

const OWN = [
  ...COMPLETION_FIELDS,
  "messages",
  "max_completion_tokens",
  "logprobs",
  "top_logprobs",
  "tools",
  "tool_choice",
  "response_format",
  "add_generation_prompt",
  "continue_final_message",
  "chat_template_kwargs",
  "documents",
];
/** Of a message. The last four are what OpenAI's own answers have, and come back with the history. */
const MESSAGE = [
  "role",
  "content",
  "name",
  "tool_calls",
  "tool_call_id",
  "refusal",
  "audio",
  "annotations",
  "function_call",
];
/** Of a model that thinks. */
const THINKING_MESSAGE = [...MESSAGE, "reasoning_content"];

export interface ChatRequest extends Delivery {
  model: string;
  request: GenerateRequest;
}

/** @throws MoloraError `bad_request`, or what resolving throws for the model's name. */
export function readChat(raw: unknown, served: ServedModel, unknown: UnknownFields): ChatRequest {
  const body = openBody(raw, OWN, unknown);
  const model = body.string("model");
  const toolChoice = readToolChoice(body);
  const limit = body.has("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
  const request = checkRequest(
    {
      ...served.resolve(model),
      ...readSettings(body, served),
      ...readExtension(body),
      messages: readMessages(body, unknown, served.thinks(model)),
      ...readTurns(body),
      ...readTemplateKwargs(body),
      maxTokens: body.raw(limit),
      logprobs: readLogprobs(body),
      tools: body.has("tools") ? body.objects("tools").map((tool) => readTool(tool, unknown)) : undefined,
      toolChoice,
      responseFormat: formatBeside(toolChoice, readFormat(body, unknown)),
    },
    {
      maxTokens: limit,
      logprobs: "top_logprobs",
      toolChoice: "tool_choice",
      responseFormat: "response_format",
      chatTemplateKwargs: "chat_template_kwargs",
    },
  );
  return { ...readDelivery(body, unknown), model, request };
}

function readLogprobs(body: Fields): unknown {
  const wanted = body.has("logprobs") && body.boolean("logprobs");
  if (!wanted && body.has("top_logprobs")) body.fail("top_logprobs", `left out, or "logprobs" set to true`);
  return wanted ? (body.raw("top_logprobs") ?? 0) : undefined;
}

/** vLLM's: whether the rendered conversation ends with the header of a new turn, or within its last one. */
export function readTurns(body: Fields): Pick<GenerateRequest, "addGenerationPrompt" | "continueFinalMessage"> {
  const opens = body.has("add_generation_prompt") ? body.boolean("add_generation_prompt") : undefined;
  const continues = body.has("continue_final_message") && body.boolean("continue_final_message");
  if (opens && continues) body.fail("continue_final_message", `false, or "add_generation_prompt" set to false`);
  return {
    ...(opens === undefined ? {} : { addGenerationPrompt: opens }),
    ...(continues ? { continueFinalMessage: true } : {}),
  };
}

/** vLLM's: variables of the chat template, with `documents` as a field of its own beside them. */
export function readTemplateKwargs(body: Fields): Pick<GenerateRequest, "chatTemplateKwargs"> {
  const given = body.has("chat_template_kwargs") ? body.object("chat_template_kwargs") : undefined;
  const kwargs: Record<string, unknown> = Object.fromEntries(
    given?.names().map((name) => [name, given.raw(name)]) ?? [],
  );
  if (body.has("documents")) {
    body.objects("documents");
    kwargs.documents = body.raw("documents");
  }
  return Object.keys(kwargs).length === 0 ? {} : { chatTemplateKwargs: kwargs };
}

/** `thinks`: thoughts that come back with the history go to the template, which knows what to keep of them. */
export function readMessages(body: Fields, unknown: UnknownFields, thinks: boolean): ChatMessage[] {
  const messages = body.objects("messages", MAX_MESSAGES);
  if (messages.length === 0) body.fail("messages", "a list of at least one message");
  return messages.map((message) => readMessage(message, unknown, thinks));
}

function readMessage(message: Fields, unknown: UnknownFields, thinks: boolean): ChatMessage {
  unknown.check(message, thinks ? THINKING_MESSAGE : MESSAGE, "messages");
  const role = message.string("role");
  return {
    // OpenAI's newer word; templates know the older one.
    role: role === "developer" ? "system" : role,
    content: thinks && role === "assistant" ? readAnswer(message) : readContent(message),
    ...(message.has("name") ? { name: message.string("name") } : {}),
    ...(message.has("tool_calls") ? { toolCalls: message.objects("tool_calls").map(readCall) } : {}),
    ...(message.has("tool_call_id") ? { toolCallId: message.string("tool_call_id") } : {}),
  };
}

/** An answer as the model wrote it. */
function readAnswer(message: Fields): string {
  const reasoning = message.has("reasoning_content") ? message.string("reasoning_content") : "";
  return joined({ reasoning, text: readContent(message) });
}

/** Text, or parts of text; a turn that only calls tools may have none. */
function readContent(message: Fields): string {
  const content = message.raw("content");
  if (content === undefined && message.has("tool_calls")) return "";
  if (!Array.isArray(content)) return message.string("content");
  const parts = message.objects("content", MAX_MESSAGES).map((part) => {
    part.oneOf("type", ["text"]);
    return part.string("text");
  });
  return parts.join("\n");
}

function readCall(call: Fields): ToolCall {
  call.oneOf("type", ["function"]);
  const called = call.object("function");
  return { id: call.string("id"), name: called.string("name"), arguments: called.string("arguments") };
}

export function readTool(tool: Fields, unknown: UnknownFields): Tool {
  tool.oneOf("type", ["function"]);
  const described = tool.object("function");
  unknown.check(described, ["name", "description", "parameters", "strict"], "tools");
  return {
    name: described.string("name"),
    ...(described.has("description") ? { description: described.string("description") } : {}),
    ...(described.has("parameters") ? { parameters: described.raw("parameters") as Record<string, unknown> } : {}),
  };
}

function readToolChoice(body: Fields): ToolChoice | undefined {
  if (!body.has("tool_choice")) return undefined;
  if (typeof body.raw("tool_choice") === "string") {
    return { type: body.oneOf("tool_choice", ["none", "auto", "required"]) };
  }
  const choice = body.object("tool_choice");
  choice.oneOf("type", ["function"]);
  return { type: "tool", name: choice.object("function").string("name") };
}

function readFormat(body: Fields, unknown: UnknownFields): ResponseFormat | undefined {
  if (!body.has("response_format")) return undefined;
  const format = body.object("response_format");
  const type = format.oneOf("type", ["text", "json_object", "json_schema"]);
  if (type !== "json_schema") return { type };
  const described = format.object("json_schema");
  unknown.check(described, ["name", "description", "schema", "strict"], "response_format");
  return { type, schema: described.raw("schema") as Record<string, unknown> };
}
