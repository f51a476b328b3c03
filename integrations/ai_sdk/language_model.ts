// A language model of the AI SDK (specification v4) over a molora backend: whole answers and streams.
// request.ts translates prompts and settings.

import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  LanguageModelV4ToolCall,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from "@ai-sdk/provider";
import type { DoneEvent, GenerateRequest, GenerationEvent, TokenLogprob, TokenTrace } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type Backend, routingOf } from "../backend.ts";
import { toRequest } from "./request.ts";

export class MoloraLanguageModel implements LanguageModelV4 {
  readonly specificationVersion = "v4";
  readonly provider = "molora";
  readonly modelId: string;
  /** No media is taken by URL. */
  readonly supportedUrls = {};
  readonly #backend: Backend;

  constructor(backend: Backend, model: string) {
    this.#backend = backend;
    this.modelId = model;
  }

  async doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const { request, warnings } = await this.#request(options);
    const reported = new Reported();
    let text = "";
    for await (const event of this.#generate(request, options.abortSignal)) {
      text += event.text;
      reported.add(event);
    }
    const { done } = reported;
    const content: LanguageModelV4Content[] = text === "" ? [] : [{ type: "text", text }];
    return {
      content: [...content, ...toolCalls(done)],
      finishReason: finishReason(done),
      usage: usage(done),
      providerMetadata: reported.metadata(),
      warnings,
      request: { body: request },
      response: { modelId: this.modelId, timestamp: new Date() },
    };
  }

  async doStream(options: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const { request, warnings } = await this.#request(options);
    const abort = new AbortController();
    const signal =
      options.abortSignal === undefined ? abort.signal : AbortSignal.any([options.abortSignal, abort.signal]);
    const parts = this.#parts(request, signal);
    const opening: LanguageModelV4StreamPart[] = [
      { type: "stream-start", warnings },
      { type: "response-metadata", modelId: this.modelId, timestamp: new Date() },
    ];
    const stream = new ReadableStream<LanguageModelV4StreamPart>({
      start(controller) {
        for (const part of opening) controller.enqueue(part);
      },
      async pull(controller) {
        const { done, value } = await parts.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => abort.abort(),
    });
    return { stream, request: { body: request } };
  }

  async #request(options: LanguageModelV4CallOptions) {
    const own = options.providerOptions?.molora ?? {};
    const routed = "adapter" in own || "adapters" in own || "mixture" in own;
    return toRequest(options, routed ? {} : await routingOf(this.#backend, this.modelId));
  }

  /** @throws the signal's reason once the call is aborted, as the SDK expects. */
  async *#generate(request: GenerateRequest, signal: AbortSignal | undefined): AsyncGenerator<GenerationEvent> {
    signal?.throwIfAborted();
    for await (const event of this.#backend.generate(request, signal === undefined ? {} : { signal })) {
      if (event.type === "done" && event.finishReason === "cancelled") signal?.throwIfAborted();
      yield event;
    }
  }

  async *#parts(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<LanguageModelV4StreamPart, undefined> {
    const reported = new Reported();
    const id = "text";
    let open = false;
    for await (const event of this.#generate(request, signal)) {
      reported.add(event);
      if (event.text === "") continue;
      if (!open) yield { type: "text-start", id };
      open = true;
      yield { type: "text-delta", id, delta: event.text };
    }
    if (open) yield { type: "text-end", id };
    const { done } = reported;
    yield* toolCalls(done);
    yield {
      type: "finish",
      finishReason: finishReason(done),
      usage: usage(done),
      providerMetadata: reported.metadata(),
    };
  }
}

/** Collects what a generation reports beside its text. */
class Reported {
  readonly #trace: TokenTrace[] = [];
  readonly #logprobs: TokenLogprob[] = [];
  #done: DoneEvent | undefined;

  add(event: GenerationEvent): void {
    if (event.type === "done") {
      this.#done = event;
      return;
    }
    if (event.trace !== undefined) this.#trace.push(event.trace);
    if (event.logprob !== undefined) this.#logprobs.push(event.logprob);
  }

  get done(): DoneEvent {
    if (this.#done !== undefined) return this.#done;
    throw new MoloraError("internal", "the generation ended without a result");
  }

  /** What the request was pinned to, how long it took, and what was asked for. */
  metadata(): SharedV4ProviderMetadata {
    const { generations, timings } = this.done;
    const report = {
      generations,
      timings,
      ...(this.#trace.length === 0 ? {} : { trace: this.#trace }),
      ...(this.#logprobs.length === 0 ? {} : { logprobs: this.#logprobs }),
    };
    return { molora: JSON.parse(JSON.stringify(report)) };
  }
}

function toolCalls({ toolCalls: calls = [] }: DoneEvent): LanguageModelV4ToolCall[] {
  return calls.map(({ id, name, arguments: input }) => ({ type: "tool-call", toolCallId: id, toolName: name, input }));
}

function finishReason(done: DoneEvent): LanguageModelV4FinishReason {
  const raw = done.finishReason;
  if (done.toolCalls !== undefined) return { unified: "tool-calls", raw };
  return { unified: raw === "cancelled" ? "other" : raw, raw };
}

function usage({ usage: { promptTokens, completionTokens, cachedTokens = 0 } }: DoneEvent): LanguageModelV4Usage {
  const noCache = promptTokens - cachedTokens;
  return {
    inputTokens: { total: promptTokens, noCache, cacheRead: cachedTokens, cacheWrite: 0 },
    outputTokens: { total: completionTokens, text: completionTokens, reasoning: 0 },
  };
}
