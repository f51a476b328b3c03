// What chat and text completions answer alike: their envelope, usage, finish reasons and molora's own field.

import type {
  BaseExpertChoice,
  DoneEvent,
  Generation,
  LengthLimit,
  Timings,
  TokenEvent,
  TokenTrace,
  Usage,
} from "../../proto/api.ts";

export interface Envelope {
  id: string;
  /** Unix seconds. */
  created: number;
  model: string;
}

export function envelope(kind: "chatcmpl" | "cmpl", model: string): Envelope {
  const id = `${kind}-${crypto.randomUUID().replaceAll("-", "")}`;
  return { id, created: Math.floor(Date.now() / 1000), model };
}

export interface UsageReply {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

/** Of several sequences: a prompt shared by `n` of them counts once, as OpenAI bills it. */
export function usageOf(done: readonly DoneEvent[], n: number): UsageReply {
  const total = (of: readonly DoneEvent[], count: (usage: Usage) => number) =>
    of.reduce((sum, { usage }) => sum + count(usage), 0);
  const prompts = done.filter((_, i) => i % n === 0);
  const prompt_tokens = total(prompts, (usage) => usage.promptTokens);
  const completion_tokens = total(done, (usage) => usage.completionTokens);
  const cached_tokens = total(prompts, (usage) => usage.cachedTokens ?? 0);
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    prompt_tokens_details: { cached_tokens },
  };
}

export function finishReason(done: DoneEvent): "stop" | "length" | "tool_calls" {
  if (done.toolCalls !== undefined) return "tool_calls";
  return done.finishReason === "length" ? "length" : "stop";
}

/** molora's field of a choice: what the request was pinned to, how long it took, and the trace where it was asked for. */
export interface Extension {
  generations?: Generation[];
  timings?: Timings;
  /** With finish_reason "length", where it was not the request's own max_tokens. */
  limited_by?: LengthLimit;
  /** One a token: index = layer. */
  trace?: TokenTrace[];
  /** Beside it, where the base is a mixture of experts: which of its own each token took. */
  base_experts?: BaseExpertChoice[][];
}

export function extension(tokens: readonly TokenEvent[], done?: DoneEvent): { molora?: Extension } {
  const trace = tokens.flatMap((token) => (token.trace === undefined ? [] : [token.trace]));
  const baseExperts = tokens.flatMap((token) => (token.baseExperts === undefined ? [] : [token.baseExperts]));
  const own: Extension = {
    ...(done === undefined ? {} : { generations: done.generations, timings: done.timings }),
    ...(done?.limitedBy === undefined ? {} : { limited_by: done.limitedBy }),
    ...(trace.length === 0 ? {} : { trace }),
    ...(baseExperts.length === 0 ? {} : { base_experts: baseExperts }),
  };
  return Object.keys(own).length === 0 ? {} : { molora: own };
}
