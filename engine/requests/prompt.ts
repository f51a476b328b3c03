// A request's prompt as ids: given, or encoded from text or from a conversation, without ever holding up the event loop.

import { sliced } from "../../files/slices.ts";
import type { AbortLike, ChatMessage, GenerateRequest } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { checkNesting } from "../../proto/json_text.ts";
import { promptEmpty } from "../scheduler/refusals.ts";
import { chatText } from "../text/chat_text.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { conversation } from "../text/tool_prompt.ts";
import { offeredTools } from "./constraints.ts";
import type { Lexicon } from "./lexicon.ts";

export interface PromptParts {
  /** Longest sequence, in tokens. */
  contextLength: number;
  scheduler: { checkRoom(more: number): void };
  /** Variables of the chat template for every request, under its own. */
  chatTemplateKwargs?: Readonly<Record<string, unknown>>;
}

/** A prompt this many times the context is not encoded to its end only to say by how much it is too long. */
const COUNTED_CONTEXTS = 4;

export class Prompts {
  readonly #parts: PromptParts;
  /** Prompts being encoded: they are as good as waiting. */
  #encoding = 0;

  constructor(parts: PromptParts) {
    this.#parts = parts;
  }

  /**
   * @throws MoloraError `bad_request`, `prompt_empty`, `prompt_too_long`, `queue_full`, `cancelled` once the signal is
   * aborted, and what the chat template raises.
   */
  async read(request: GenerateRequest, lexicon: Lexicon, signal?: AbortLike): Promise<readonly number[]> {
    const given = [request.prompt, request.messages, request.ids].filter((field) => field !== undefined);
    if (request.chatTemplateKwargs !== undefined && (request.raw || request.ids !== undefined)) {
      throw new MoloraError("bad_request", "chatTemplateKwargs are given, and no chat template is used", {
        remedy: "Leave them out, or send messages, or a prompt without raw.",
        details: { field: "chatTemplateKwargs" },
      });
    }
    if (given.length !== 1) {
      throw new MoloraError("bad_request", `${given.length} of prompt, messages and ids are given`, {
        remedy: "Give exactly one of them.",
      });
    }
    const ids = request.ids ?? (await this.#encode(request, lexicon.tokenizer, signal));
    if (ids.length === 0) throw promptEmpty();
    this.#checkIds(ids, lexicon);
    return ids;
  }

  async #encode(
    request: GenerateRequest,
    tokenizer: Tokenizer,
    signal: AbortLike | undefined,
  ): Promise<readonly number[]> {
    this.#checkLength(textsOf(request), tokenizer);
    this.#parts.scheduler.checkRoom(this.#encoding);
    this.#encoding++;
    try {
      return await sliced(this.#steps(request, tokenizer), signal);
    } finally {
      this.#encoding--;
    }
  }

  *#steps(request: GenerateRequest, tokenizer: Tokenizer): Generator<undefined, number[]> {
    const { contextLength } = this.#parts;
    const { prompt, messages, raw, allowSpecialTokens } = request;
    const { addGenerationPrompt = true, continueFinalMessage = false } = request;
    const atMost = COUNTED_CONTEXTS * contextLength;
    let ids: number[];
    if (prompt !== undefined && raw) {
      ids = yield* tokenizer.encoding(prompt, { special: allowSpecialTokens ?? true, atMost });
    } else {
      const turns: ChatMessage[] = messages ?? [{ role: "user", content: prompt ?? "" }];
      for (const { toolCalls = [] } of turns) for (const call of toolCalls) checkArguments(call.arguments);
      const { messages: told, ...tools } = conversation(tokenizer.toolTemplate, turns, offeredTools(request));
      const { text, marked, encoding } = chatText(tokenizer, told, {
        addGenerationPrompt,
        continueFinalMessage,
        ...tools,
        kwargs: { ...this.#parts.chatTemplateKwargs, ...request.chatTemplateKwargs },
      });
      this.#checkLength([text], tokenizer);
      yield;
      const trusted = allowSpecialTokens === true;
      ids = yield* trusted
        ? tokenizer.encoding(text, { addBos: false, atMost })
        : tokenizer.encoding(marked, { ...encoding, atMost });
    }
    if (ids.length > atMost)
      throw this.#tooLong(`the prompt has more than ${atMost} tokens, the context holds ${contextLength}`, {});
    return ids;
  }

  /** No prompt of N tokens has more than N times the longest token's characters: known before it is encoded. */
  #checkLength(texts: readonly string[], tokenizer: Tokenizer): void {
    const { contextLength } = this.#parts;
    const mostCharacters = tokenizer.mostCharacters(contextLength);
    const characters = texts.reduce((sum, text) => sum + text.length, 0);
    if (characters <= mostCharacters) return;
    if (characters - texts.reduce((sum, text) => sum + tokenizer.vanishing(text), 0) <= mostCharacters) return;
    const most = `a context of ${contextLength} tokens holds at most ${mostCharacters}`;
    throw this.#tooLong(`the prompt has ${characters} characters, ${most}`, { characters, mostCharacters });
  }

  #checkIds(ids: readonly number[], { size, key }: Lexicon): void {
    const { contextLength } = this.#parts;
    if (ids.length > COUNTED_CONTEXTS * contextLength) {
      const what = `the prompt has ${ids.length} tokens, the context holds ${contextLength}`;
      throw this.#tooLong(what, { promptTokens: ids.length });
    }
    const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= size);
    if (wrong === undefined) return;
    throw new MoloraError("bad_request", `${wrong} is no token id of this ${key === undefined ? "model" : "adapter"}`, {
      remedy: `Ids are integers from 0 to ${size - 1}.`,
    });
  }

  #tooLong(message: string, details: Record<string, number>): MoloraError {
    const { contextLength: context } = this.#parts;
    return new MoloraError("prompt_too_long", message, {
      remedy: "Shorten the prompt, or start the engine with a longer context.",
      details: { ...details, context },
    });
  }
}

/** All that people and tools say in the prompt; what the template adds comes on top. */
function textsOf({ prompt = "", messages = [] }: GenerateRequest): string[] {
  return [
    prompt,
    ...messages.flatMap(({ content, toolCalls = [] }) => [content, ...toolCalls.map((c) => c.arguments)]),
  ];
}

function checkArguments(json: string): void {
  try {
    checkNesting(json);
  } catch (cause) {
    throw new MoloraError("bad_request", `the arguments of a call are ${(cause as Error).message}`, {
      remedy: "Send back the arguments as the model wrote them.",
      details: { field: "toolCalls.arguments" },
      cause,
    });
  }
}
