// Input items of `/v1/responses` as turns of a conversation.

import type { Fields } from "../../../files/fields.ts";
import type { ChatMessage, ToolCall } from "../../../proto/api.ts";
import type { UnknownFields } from "../unknown_fields.ts";
import type { OutputItem } from "./reply.ts";

const ROLES = ["user", "assistant", "system", "developer"] as const;
/** Of a message, beside what is read; answers come back with them. */
const MESSAGE = ["type", "role", "content", "id", "status", "phase"];
const TEXT_PARTS = ["input_text", "output_text", "text"] as const;

/** `find`: an item of an earlier response by its id. @throws MoloraError `bad_request`. */
export function readInput(
  body: Fields,
  unknown: UnknownFields,
  find: (id: string) => OutputItem | undefined,
): ChatMessage[] {
  const input = body.raw("input");
  if (input === undefined) return [];
  if (typeof input === "string") return [{ role: "user", content: input }];
  const messages: ChatMessage[] = [];
  for (const item of body.objects("input")) addItem(messages, item, unknown, find);
  return messages;
}

function addItem(
  messages: ChatMessage[],
  item: Fields,
  unknown: UnknownFields,
  find: (id: string) => OutputItem | undefined,
): void {
  const type = item.has("type") ? item.string("type") : item.has("role") ? "message" : "item_reference";
  switch (type) {
    case "message":
      messages.push(readMessage(item, unknown));
      return;
    case "function_call":
      addCall(messages, {
        id: item.string("call_id"),
        name: item.string("name"),
        arguments: item.string("arguments"),
      });
      return;
    case "function_call_output":
      messages.push({ role: "tool", toolCallId: item.string("call_id"), content: readText(item, "output") });
      return;
    case "item_reference": {
      const found = find(item.string("id"));
      if (found === undefined) item.fail("id", "that of an item of a response this server still holds");
      addOutput(messages, found);
      return;
    }
    // Reasoning is never put into a later prompt.
    case "reasoning":
      return;
    default:
      item.fail("type", "message, function_call, function_call_output, item_reference or reasoning");
  }
}

function readMessage(item: Fields, unknown: UnknownFields): ChatMessage {
  unknown.check(item, MESSAGE, "input");
  const role = item.oneOf("role", ROLES);
  return { role: role === "developer" ? "system" : role, content: readText(item, "content") };
}

/** Text, or parts of text. */
function readText(item: Fields, name: string): string {
  if (!Array.isArray(item.raw(name))) return item.string(name);
  const parts = item.objects(name).map((part) => {
    if (part.raw("type") === "refusal") return part.string("refusal");
    part.oneOf("type", TEXT_PARTS);
    return part.string("text");
  });
  return parts.join("\n");
}

/** What the model said, as the turns it was. */
export function addOutput(messages: ChatMessage[], item: OutputItem): void {
  if (item.type === "function_call") {
    addCall(messages, { id: item.call_id, name: item.name, arguments: item.arguments });
  } else if (item.type === "message") {
    messages.push({ role: "assistant", content: item.content.map(({ text }) => text).join("\n") });
  }
}

/** Calls are part of the turn they were made in. */
function addCall(messages: ChatMessage[], call: ToolCall): void {
  const last = messages.at(-1);
  if (last?.role !== "assistant") messages.push({ role: "assistant", content: "", toolCalls: [call] });
  else messages[messages.length - 1] = { ...last, toolCalls: [...(last.toolCalls ?? []), call] };
}
