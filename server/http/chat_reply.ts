// Answers of `/v1/chat/completions`: whole, or as the chunks of a stream.

import { ReasoningReader, type Separated, thinks } from "../../engine/text/reasoning.ts";
import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import type { Accepted, DoneEvent, TokenEvent, ToolCall } from "../../proto/api.ts";
import { chatLogprobs } from "./logprobs.ts";
import { type Envelope, extension, finishReason, usageOf } from "./reply.ts";
import type { Finished } from "./run.ts";

export function chatCompletion(tokenizer: Tokenizer, head: Envelope, finished: readonly Finished[]) {
  const separate = separator(tokenizer);
  const choices = finished.map(({ tokens, text: whole, done, accepted }, index) => {
    const { reasoning, text } = separate(whole, accepted);
    return {
      index,
      message: {
        role: "assistant",
        content: done.toolCalls !== undefined && text.trim() === "" ? null : text,
        ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
        refusal: null,
        ...(done.toolCalls === undefined ? {} : { tool_calls: done.toolCalls.map(toolCall) }),
      },
      logprobs: chatLogprobs(tokenizer, tokens),
      finish_reason: finishReason(done),
      ...extension(tokens, done),
    };
  });
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
  /** Of each generation, where the model thinks. */
  readonly #readers = new Map<number, ReasoningReader>();

  /** Where usage was asked for, chunks before the last say null. */
  constructor(tokenizer: Tokenizer, head: Envelope, includeUsage: boolean) {
    this.#tokenizer = tokenizer;
    this.#head = { ...head, object: "chat.completion.chunk", ...(includeUsage ? { usage: null } : {}) };
  }

  open(index: number, accepted: Accepted) {
    if (thinks(this.#tokenizer.chatTemplate)) this.#readers.set(index, new ReasoningReader(accepted.thinks === true));
    return this.#chunk(index, { role: "assistant", content: "" }, null);
  }

  /** Undefined where the token shows nothing yet. */
  token(index: number, token: TokenEvent) {
    const { reasoning, text } = this.#readers.get(index)?.push(token.text) ?? said(token.text);
    if (reasoning === "" && text === "" && token.logprob === undefined && token.trace === undefined) return undefined;
    const thought = reasoning === "" ? {} : { reasoning_content: reasoning };
    return this.#chunk(index, { ...(text === "" && reasoning !== "" ? {} : { content: text }), ...thought }, null, [
      token,
    ]);
  }

  /** The held-back rest, the calls, and the end. */
  done(index: number, done: DoneEvent) {
    const calls = done.toolCalls?.map((call, i) => ({ index: i, ...toolCall(call) }));
    const reader = this.#readers.get(index);
    const [last, rest] = reader === undefined ? [said(done.text), said("")] : [reader.push(done.text), reader.flush()];
    const [reasoning, text] = [last.reasoning + rest.reasoning, last.text + rest.text];
    const delta = {
      ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
      ...(text === "" ? {} : { content: text }),
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

function said(text: string): Separated {
  return { reasoning: "", text };
}

/** What a whole answer thinks and says. */
function separator(tokenizer: Tokenizer): (text: string, accepted: Accepted) => Separated {
  if (!thinks(tokenizer.chatTemplate)) return said;
  return (text, accepted) => {
    const reader = new ReasoningReader(accepted.thinks === true);
    const [most, rest] = [reader.push(text), reader.flush()];
    return { reasoning: most.reasoning + rest.reasoning, text: most.text + rest.text };
  };
}

function toolCall({ id, name, arguments: text }: ToolCall) {
  return { id, type: "function", function: { name, arguments: text } };
}
