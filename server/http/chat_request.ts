// The body of `/v1/chat/completions` as a request to the engine.
// It knows nothing of answers.

import type { Fields } from "../../files/fields.ts";
import type {
  ChatMessage,
  GenerateRequest,
  ResponseFormat,
  Routing,
  Tool,
  ToolCall,
  ToolChoice,
} from "../../proto/api.ts";
import { MAX_MESSAGES } from "../../proto/contract.ts";
import { checkRequest, type Delivery, openBody, readDelivery, readExtension, readSettings } from "./request_fields.ts";

const OWN = [
  "messages",
  "max_completion_tokens",
  "logprobs",
  "top_logprobs",
  "tools",
  "tool_choice",
  "response_format",
  "modalities",
  "reasoning_effort",
];

export interface ChatRequest extends Delivery {
  model: string;
  request: GenerateRequest;
}

/** @throws MoloraError `bad_request`, or what `resolve` throws for the model's name. */
export function readChat(raw: unknown, resolve: (model: string) => Routing): ChatRequest {
  const body = openBody(raw, OWN);
  const model = body.string("model");
  const limit = body.has("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
  const request = checkRequest(
    {
      ...resolve(model),
      ...readSettings(body),
      ...readExtension(body),
      messages: readMessages(body),
      maxTokens: body.raw(limit),
      logprobs: readLogprobs(body),
      tools: body.has("tools") ? body.objects("tools").map(readTool) : undefined,
      toolChoice: readToolChoice(body),
      responseFormat: readFormat(body),
    },
    { maxTokens: limit, logprobs: "top_logprobs", toolChoice: "tool_choice", responseFormat: "response_format" },
  );
  return { ...readDelivery(body), model, request };
}

function readLogprobs(body: Fields): unknown {
  const wanted = body.has("logprobs") && body.boolean("logprobs");
  if (!wanted && body.has("top_logprobs")) body.fail("top_logprobs", `left out, or "logprobs" set to true`);
  return wanted ? (body.raw("top_logprobs") ?? 0) : undefined;
}

function readMessages(body: Fields): ChatMessage[] {
  const messages = body.objects("messages", MAX_MESSAGES);
  return messages.length > 0 ? messages.map(readMessage) : body.fail("messages", "a list of at least one message");
}

function readMessage(message: Fields): ChatMessage {
  message.only([
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "refusal",
    "audio",
    "annotations",
    "function_call",
  ]);
  const role = message.string("role");
  return {
    // OpenAI's newer word; templates know the older one.
    role: role === "developer" ? "system" : role,
    content: readContent(message),
    ...(message.has("name") ? { name: message.string("name") } : {}),
    ...(message.has("tool_calls") ? { toolCalls: message.objects("tool_calls").map(readCall) } : {}),
    ...(message.has("tool_call_id") ? { toolCallId: message.string("tool_call_id") } : {}),
  };
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

function readTool(tool: Fields): Tool {
  tool.oneOf("type", ["function"]);
  const described = tool.object("function");
  described.only(["name", "description", "parameters", "strict"]);
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

function readFormat(body: Fields): ResponseFormat | undefined {
  if (!body.has("response_format")) return undefined;
  const format = body.object("response_format");
  const type = format.oneOf("type", ["text", "json_object", "json_schema"]);
  if (type !== "json_schema") return { type };
  const described = format.object("json_schema");
  described.only(["name", "description", "schema", "strict"]);
  return { type, schema: described.raw("schema") as Record<string, unknown> };
}
