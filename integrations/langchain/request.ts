// Translates LangChain's messages and tools into molora's.

import type { ToolDefinition } from "@langchain/core/language_models/base";
import type { ToolChoice as LangChainChoice } from "@langchain/core/language_models/chat_models";
import { type BaseMessage, isAIMessage, isToolMessage } from "@langchain/core/messages";
import type { ChatMessage, Tool, ToolChoice } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";

const ROLES: Record<string, string> = {
  human: "user",
  ai: "assistant",
  system: "system",
  tool: "tool",
  developer: "system",
};

/** @throws MoloraError `bad_request` for what is not text. */
export function toMessage(message: BaseMessage): ChatMessage {
  const type = message.getType();
  const calls = isAIMessage(message) ? (message.tool_calls ?? []) : [];
  const toolCalls = calls.map(({ id, name, args }) => ({ id: id ?? name, name, arguments: JSON.stringify(args) }));
  return {
    role: ROLES[type] ?? roleOf(message),
    content: contentOf(message),
    ...(message.name === undefined ? {} : { name: message.name }),
    ...(toolCalls.length === 0 ? {} : { toolCalls }),
    ...(isToolMessage(message) ? { toolCallId: message.tool_call_id } : {}),
  };
}

/** The role of a message; a generic message names its own. */
function roleOf(message: BaseMessage): string {
  if ("role" in message && typeof message.role === "string") return message.role;
  throw refuse(`a message of type "${message.getType()}" has no role`);
}

function contentOf({ content }: BaseMessage): string {
  if (typeof content === "string") return content;
  const texts = content.map((block) => {
    if (block.type === "text" && typeof block.text === "string") return block.text;
    throw refuse(`content of type "${block.type}" is not text`);
  });
  return texts.join("\n");
}

export function toTool({ function: { name, description, parameters } }: ToolDefinition): Tool {
  const about = description === undefined ? {} : { description };
  return { name, ...about, parameters: parameters as Record<string, unknown> };
}

/** "auto", "none", "any" (as "required"), a tool's name, or OpenAI's object. */
export function toToolChoice(choice: LangChainChoice | undefined): ToolChoice | undefined {
  if (choice === undefined || choice === "auto" || choice === "none") return choice && { type: choice };
  if (choice === "any" || choice === "required") return { type: "required" };
  if (typeof choice === "string") return { type: "tool", name: choice };
  return { type: "tool", name: String(choice.function?.name ?? choice.name) };
}

function refuse(message: string): MoloraError {
  return new MoloraError("bad_request", message, { remedy: "Send messages of text." });
}
