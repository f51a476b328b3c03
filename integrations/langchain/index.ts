// `molora/langchain`: molora as a chat model of LangChain.js.

import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import type { BaseLanguageModelInput } from "@langchain/core/language_models/base";
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BaseChatModelParams,
  type BindToolsInput,
  type ToolChoice,
} from "@langchain/core/language_models/chat_models";
import type { AIMessageChunk, BaseMessage } from "@langchain/core/messages";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import type { Runnable } from "@langchain/core/runnables";
import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import type { GenerateRequest, SamplingOptions } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type Backend, routingOf } from "../backend.ts";
import { doneChunk, generationInfo, tokenChunk } from "./answer.ts";
import { toMessage, toTool, toToolChoice } from "./request.ts";

export type { Backend, Named } from "../backend.ts";

/** Settings of a model; a call may give others. */
export interface MoloraSettings
  extends SamplingOptions,
    Pick<GenerateRequest, "adapters" | "maxTokens" | "responseFormat" | "stopIds" | "ignoreEos" | "trace"> {}

type StructuredOutput = BaseChatModel<ChatMoloraCallOptions, AIMessageChunk>["withStructuredOutput"];

export interface ChatMoloraFields extends BaseChatModelParams, MoloraSettings {
  /** An embedded `Engine` or a `MoloraClient`. */
  backend: Backend;
  /** `base` (default), an adapter's or a mixture's name. */
  model?: string;
  /** Whether bound tools are called, where the call does not say. Default: auto. */
  toolChoice?: ToolChoice;
}

export interface ChatMoloraCallOptions extends BaseChatModelCallOptions, MoloraSettings {
  tools?: BindToolsInput[];
}

const SETTINGS = [
  ...["temperature", "topK", "topP", "minP", "seed", "repetitionPenalty", "presencePenalty", "frequencyPenalty"],
  ...["adapters", "maxTokens", "responseFormat", "stopIds", "ignoreEos", "trace"],
] as (keyof MoloraSettings)[];

/**
 * A chat model over an embedded `Engine` or a `MoloraClient`.
 *
 * @example
 * ```ts
 * import { Engine } from "molora";
 * import { ChatMolora } from "molora/langchain";
 *
 * const model = new ChatMolora({ backend: await Engine.load(), model: "default" });
 * const answer = await model.invoke("Add 2 and 3.");
 * ```
 */
export class ChatMolora extends BaseChatModel<ChatMoloraCallOptions, AIMessageChunk> {
  readonly model: string;
  readonly #backend: Backend;
  readonly #settings: MoloraSettings;
  readonly #fields: ChatMoloraFields;

  /** An answer that fits a schema is asked for as a tool call that must be made. */
  override withStructuredOutput = ((...given: Parameters<StructuredOutput>) => {
    const calling = new ChatMolora({ ...this.#fields, toolChoice: "any" });
    return super.withStructuredOutput.apply(calling, given);
  }) as StructuredOutput;

  constructor(fields: ChatMoloraFields) {
    super(fields);
    this.#fields = fields;
    this.#backend = fields.backend;
    this.model = fields.model ?? "base";
    this.#settings = pickSettings(fields);
  }

  static override lc_name(): string {
    return "ChatMolora";
  }

  override _llmType(): string {
    return "molora";
  }

  override get callKeys(): string[] {
    return [...super.callKeys, "tools", ...SETTINGS];
  }

  override bindTools(
    tools: BindToolsInput[],
    kwargs: Partial<ChatMoloraCallOptions> = {},
  ): Runnable<BaseLanguageModelInput, AIMessageChunk, ChatMoloraCallOptions> {
    return this.withConfig({ ...kwargs, tools } as Partial<ChatMoloraCallOptions>);
  }

  override async _generate(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): Promise<ChatResult> {
    let whole: ChatGenerationChunk | undefined;
    for await (const chunk of this._streamResponseChunks(messages, options, runManager)) {
      whole = whole?.concat(chunk) ?? chunk;
    }
    if (whole === undefined) throw new MoloraError("internal", "the generation ended without a result");
    return { generations: [whole], llmOutput: { tokenUsage: whole.generationInfo?.tokenUsage } };
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const { signal } = options;
    signal?.throwIfAborted();
    const request = await this.#request(messages, options);
    for await (const event of this.#backend.generate(request, signal === undefined ? {} : { signal })) {
      // LangChain expects an aborted call to throw
      if (event.type === "done" && event.finishReason === "cancelled") signal?.throwIfAborted();
      const chunk = new ChatGenerationChunk({
        text: event.text,
        message: event.type === "done" ? doneChunk(event) : tokenChunk(event),
        ...(event.type === "done" ? { generationInfo: generationInfo(event) } : {}),
      });
      yield chunk;
      await runManager?.handleLLMNewToken(event.text, undefined, undefined, undefined, undefined, { chunk });
    }
  }

  async #request(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<GenerateRequest> {
    const settings = { ...this.#settings, ...pickSettings(options) };
    const routing = settings.adapters === undefined ? await routingOf(this.#backend, this.model) : {};
    const tools = options.tools?.map((tool) => toTool(convertToOpenAITool(tool)));
    const toolChoice = toToolChoice(options.tool_choice ?? this.#fields.toolChoice);
    return {
      ...routing,
      ...settings,
      messages: messages.map(toMessage),
      ...(options.stop === undefined ? {} : { stop: options.stop }),
      ...(tools === undefined ? {} : { tools }),
      ...(tools === undefined || toolChoice === undefined ? {} : { toolChoice }),
    };
  }
}

function pickSettings(given: MoloraSettings): MoloraSettings {
  const set = SETTINGS.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]);
  return Object.fromEntries(set);
}
