// Turns molora's events into the chunks that LangChain adds up to a message.

import { AIMessageChunk, type StandardMessageStructure } from "@langchain/core/messages";
import type { DoneEvent, TokenEvent } from "../../proto/api.ts";

/** The trace is a list of one, because LangChain joins lists when it adds chunks up. */
export function tokenChunk({ text, trace }: TokenEvent): AIMessageChunk {
  return new AIMessageChunk({
    content: text,
    ...(trace === undefined ? {} : { additional_kwargs: { trace: [trace] } }),
  });
}

export function doneChunk(done: DoneEvent): AIMessageChunk {
  const { text, usage, generations, timings, toolCalls = [] } = done;
  return new AIMessageChunk<StandardMessageStructure>({
    content: text,
    tool_call_chunks: toolCalls.map(({ id, name, arguments: args }, index) => ({
      ...{ type: "tool_call_chunk" as const, index, id, name, args },
    })),
    usage_metadata: {
      input_tokens: usage.promptTokens,
      output_tokens: usage.completionTokens,
      total_tokens: usage.promptTokens + usage.completionTokens,
      input_token_details: { cache_read: usage.cachedTokens ?? 0 },
    },
    response_metadata: {
      finish_reason: toolCalls.length > 0 ? "tool_calls" : done.finishReason,
      generations,
      timings,
    },
  });
}

export function generationInfo({ finishReason, usage: { promptTokens, completionTokens } }: DoneEvent) {
  const totalTokens = promptTokens + completionTokens;
  return { finish_reason: finishReason, tokenUsage: { promptTokens, completionTokens, totalTokens } };
}
