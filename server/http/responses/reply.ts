// The response object of `/v1/responses`: its state at any moment, and its items.

import type { DoneEvent, ToolCall } from "../../../proto/api.ts";
import type { ChatLogprobs } from "../logprobs.ts";
import { type Extension, extension } from "../reply.ts";

export type Status = "in_progress" | "completed" | "incomplete" | "failed";
type ItemStatus = "in_progress" | "completed" | "incomplete";
export type TextLogprobs = ChatLogprobs["content"];

export interface OutputText {
  type: "output_text";
  text: string;
  annotations: never[];
  logprobs: TextLogprobs;
}

export interface MessageItem {
  id: string;
  type: "message";
  status: ItemStatus;
  role: "assistant";
  content: OutputText[];
}

export interface CallItem {
  id: string;
  type: "function_call";
  status: ItemStatus;
  call_id: string;
  name: string;
  arguments: string;
}

/** What the model thought before it answered. */
export interface ReasoningItem {
  id: string;
  type: "reasoning";
  status: ItemStatus;
  summary: never[];
  content: { type: "reasoning_text"; text: string }[];
}

export type OutputItem = MessageItem | CallItem | ReasoningItem;

export interface ResponseUsage {
  input_tokens: number;
  input_tokens_details: { cached_tokens: number };
  output_tokens: number;
  output_tokens_details: { reasoning_tokens: number };
  total_tokens: number;
}

/** What the response object says of its request. */
export interface Echoed {
  model: string;
  instructions: string | null;
  max_output_tokens: number | null;
  metadata: unknown;
  parallel_tool_calls: true;
  previous_response_id: string | null;
  store: boolean;
  temperature: unknown;
  text: unknown;
  tool_choice: unknown;
  tools: unknown[];
  top_logprobs: number;
  top_p: unknown;
  truncation: "disabled";
}

export interface ResponseObject extends Echoed {
  id: string;
  object: "response";
  /** Unix seconds. */
  created_at: number;
  completed_at: number | null;
  status: Status;
  background: false;
  error: { code: string; message: string } | null;
  incomplete_details: { reason: "max_output_tokens" } | null;
  output: OutputItem[];
  usage: ResponseUsage | null;
  molora?: Extension;
}

export function newId(kind: "resp" | "msg" | "fc" | "rs"): string {
  return `${kind}_${crypto.randomUUID().replaceAll("-", "")}`;
}

/** A response that has begun. */
export function begunResponse(echoed: Echoed): ResponseObject {
  return {
    ...echoed,
    id: newId("resp"),
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    completed_at: null,
    status: "in_progress",
    background: false,
    error: null,
    incomplete_details: null,
    output: [],
    usage: null,
  };
}

/** The same at its end. */
export function endedResponse(
  begun: ResponseObject,
  output: OutputItem[],
  done: DoneEvent,
  reasoningTokens: number,
): ResponseObject {
  const cut = done.finishReason === "length";
  const { promptTokens, completionTokens, cachedTokens = 0 } = done.usage;
  return {
    ...begun,
    completed_at: cut ? null : Math.floor(Date.now() / 1000),
    status: cut ? "incomplete" : "completed",
    incomplete_details: cut ? { reason: "max_output_tokens" } : null,
    output,
    usage: {
      input_tokens: promptTokens,
      input_tokens_details: { cached_tokens: cachedTokens },
      output_tokens: completionTokens,
      output_tokens_details: { reasoning_tokens: reasoningTokens },
      total_tokens: promptTokens + completionTokens,
    },
    ...extension([], done),
  };
}

export function outputText(text: string, logprobs: TextLogprobs): OutputText {
  return { type: "output_text", text, annotations: [], logprobs };
}

export function messageItem(id: string, status: ItemStatus, content: OutputText[]): MessageItem {
  return { id, type: "message", status, role: "assistant", content };
}

export function reasoningItem(id: string, status: ItemStatus, text: string): ReasoningItem {
  return { id, type: "reasoning", status, summary: [], content: text === "" ? [] : [{ type: "reasoning_text", text }] };
}

export function callItem(id: string, status: ItemStatus, call: ToolCall): CallItem {
  return { id, type: "function_call", status, call_id: call.id, name: call.name, arguments: call.arguments };
}
