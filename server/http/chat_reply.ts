// Answers of `/v1/chat/completions`: whole, or as the chunks of a stream.

import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import type { DoneEvent, TokenEvent, ToolCall } from "../../proto/api.ts";
import { chatLogprobs } from "./logprobs.ts";
import { type Envelope, extension, finishReason, usageOf } from "./reply.ts";
import type { Finished } from "./run.ts";

export function chatCompletion(tokenizer: Tokenizer, head: Envelope, finished: readonly Finished[]) {
  const choices = finished.map(({ tokens, text, done }, index) => ({
    index,
    message: {
      role: "assistant",
      content: done.toolCalls !== undefined && text.trim() === "" ? null : text,
      refusal: null,
      ...(done.toolCalls === undefined ? {} : { tool_calls: done.toolCalls.map(toolCall) }),
    },
    logprobs: chatLogprobs(tokenizer, tokens),
    finish_reason: finishReason(done),
    ...extension(tokens, done),
  }));
  const usage = usageOf(
    finished.map(({ done }) => done),
    finished.length,
  );
  return { ...head, object: "chat.completion", choices, usage };
}

/** The stream of chat chunks; every method makes one. */
export class ChatChunks {
  readonly #tokenizer: Tokenizer;
  readonly #head: object;

  /** Where usage was asked for, chunks before the last say null. */
  constructor(tokenizer: Tokenizer, head: Envelope, includeUsage: boolean) {
    this.#tokenizer = tokenizer;
    this.#head = { ...head, object: "chat.completion.chunk", ...(includeUsage ? { usage: null } : {}) };
  }

  open(index: number) {
    return this.#chunk(index, { role: "assistant", content: "" }, null);
  }

  /** Undefined where the token shows nothing yet. */
  token(index: number, token: TokenEvent) {
    if (token.text === "" && token.logprob === undefined && token.trace === undefined) return undefined;
    return this.#chunk(index, { content: token.text }, null, [token]);
  }

  /** The held-back rest, the calls, and the end. */
  done(index: number, done: DoneEvent) {
    const calls = done.toolCalls?.map((call, i) => ({ index: i, ...toolCall(call) }));
    const delta = {
      ...(done.text === "" ? {} : { content: done.text }),
      ...(calls === undefined ? {} : { tool_calls: calls }),
    };
    const ending = this.#chunk(index, {}, finishReason(done), [], done);
    return Object.keys(delta).length === 0 ? [ending] : [this.#chunk(index, delta, null), ending];
  }

  usage(done: readonly DoneEvent[]) {
    return { ...this.#head, choices: [], usage: usageOf(done, done.length) };
  }

  #chunk(index: number, delta: object, reason: string | null, tokens: readonly TokenEvent[] = [], done?: DoneEvent) {
    const logprobs = chatLogprobs(this.#tokenizer, tokens);
    return {
      ...this.#head,
      choices: [{ index, delta, logprobs, finish_reason: reason, ...extension(tokens, done) }],
    };
  }
}

function toolCall({ id, name, arguments: text }: ToolCall) {
  return { id, type: "function", function: { name, arguments: text } };
}
