// One request from its acceptance to its end: turns device results into the events its reader pulls.

import type {
  Accepted,
  DoneEvent,
  FinishReason,
  GenerateRequest,
  GenerationEvent,
  LengthLimit,
  TokenLogprob,
  TokenTrace,
} from "../../proto/api.ts";
import type { MoloraError } from "../../proto/errors.ts";
import type { Pin } from "../adapters/registry.ts";
import type { Constraint } from "../sampling/constraint.ts";
import type { Sequence } from "../scheduler/sequence.ts";
import type { RowResult, RowTrace } from "../step/results.ts";
import { Detokenizer } from "../text/detokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { ToolCallReader } from "../text/tool_calls.ts";

export interface TicketParts {
  request: GenerateRequest;
  sequence: Sequence;
  accepted: Accepted;
  pins: readonly Pin[];
  tokenizer: Tokenizer;
  /** Ids that end it. */
  endIds: ReadonlySet<number>;
  /** Names of the router's experts by index; undefined: not routed. */
  expertNames: readonly string[] | undefined;
  /** Names and gates of every token where nothing is routed. */
  fixedTrace: TokenTrace;
  /** What its sequence's maxTokens comes from, where it is not what was asked for. */
  limitedBy: LengthLimit | undefined;
  /** The grammar its text must follow. */
  constraint: Constraint | undefined;
  /** Takes tool calls out of the text. */
  toolCalls: ToolCallReader | undefined;
}

export class Ticket {
  readonly sequence: Sequence;
  readonly accepted: Accepted;
  readonly expertNames: readonly string[] | undefined;
  readonly #parts: TicketParts;
  readonly #detokenizer: Detokenizer;
  readonly #promptLogprobs: TokenLogprob[] = [];
  readonly #events: GenerationEvent[] = [];
  readonly #added = performance.now();
  #agreement: { sums: Float64Array; counts: Uint32Array } | undefined;
  #firstToken: number | undefined;
  #generated = 0;
  #ended = false;
  #failure: MoloraError | undefined;
  #wake: (() => void) | undefined;

  constructor(parts: TicketParts) {
    this.#parts = parts;
    this.sequence = parts.sequence;
    this.accepted = parts.accepted;
    this.expertNames = parts.expertNames;
    this.#detokenizer = new Detokenizer(parts.tokenizer, { stop: parts.request.stop ?? [] });
  }

  /** A prompt token was scored. */
  scored(logprob: TokenLogprob | undefined): void {
    if (logprob !== undefined) this.#promptLogprobs.push(logprob);
  }

  /** The prompt is scored from its beginning again. */
  unscored(): void {
    this.#promptLogprobs.length = 0;
  }

  /** The grammar this text must follow; it must accept each token before the next is sampled. */
  get constraint(): Constraint | undefined {
    return this.#parts.constraint;
  }

  /** By layer, how far the adapters of the next token agree in sign; NaN where no two act. */
  agreed(layers: Float64Array): void {
    if (!this.#parts.request.trace) return;
    this.#agreement ??= { sums: new Float64Array(layers.length), counts: new Uint32Array(layers.length) };
    const { sums, counts } = this.#agreement;
    for (const [layer, value] of layers.entries()) {
      if (Number.isNaN(value)) continue;
      sums[layer] += value;
      counts[layer]++;
    }
  }

  /** A token was sampled. True when it was the last. */
  sampled({ id, logprob, trace, baseExperts }: RowResult): boolean {
    this.#firstToken ??= performance.now();
    const { request, endIds, toolCalls } = this.#parts;
    const index = this.#generated++;
    const ends = endIds.has(id);
    const { text, stopped } = ends ? { text: "", stopped: undefined } : this.#detokenizer.push(id);
    this.#emit({
      type: "token",
      index,
      id,
      text: toolCalls?.push(text) ?? text,
      ...(logprob === undefined ? {} : { logprob }),
      ...(request.trace ? { trace: this.#trace(trace), ...(baseExperts && { baseExperts }) } : {}),
    });
    if (ends) this.end("stop", id);
    else if (stopped !== undefined) this.end("stop", stopped);
    else if (this.#generated === this.sequence.maxTokens) this.end("length");
    return this.#ended;
  }

  /** Ends the request: releases its pins and its grammar, then emits `done`. */
  end(finishReason: FinishReason, stopped?: string | number): void {
    if (this.#ended) return;
    const now = performance.now();
    const { started, cached = 0 } = this.sequence;
    const { limitedBy } = this.#parts;
    const since = (time: number | undefined) => ((time ?? now) - this.#added) / 1000;
    const done: DoneEvent = {
      type: "done",
      finishReason,
      ...(stopped === undefined ? {} : { stopped }),
      ...(finishReason === "length" && limitedBy !== undefined ? { limitedBy } : {}),
      // A stop string may stand within a call too.
      text: this.#rest(finishReason !== "stop" || typeof stopped === "string"),
      usage: {
        promptTokens: this.sequence.promptLength,
        completionTokens: this.#generated,
        ...(cached === 0 ? {} : { cachedTokens: cached }),
      },
      timings: { queued: since(started), firstToken: since(this.#firstToken), total: since(now) },
      generations: this.accepted.generations,
      ...this.#calls(),
      ...(this.sequence.promptLogprobs ? { promptLogprobs: this.#promptLogprobs } : {}),
      ...this.#agreementMeans(),
    };
    this.#release();
    this.#emit(done);
  }

  /** The reader's next pull throws. */
  fail(error: MoloraError): void {
    if (this.#ended) return;
    this.#failure = error;
    this.#release();
    this.#wake?.();
  }

  /** Its events, as they come. */
  async *events(): AsyncGenerator<GenerationEvent, void> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) {
        yield event;
        if (event.type === "done") return;
      } else if (this.#failure !== undefined) {
        throw this.#failure;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #emit(event: GenerationEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }

  #rest(cut: boolean): string {
    const { toolCalls } = this.#parts;
    const text = this.#detokenizer.flush();
    return toolCalls === undefined ? text : toolCalls.push(text) + toolCalls.flush(cut);
  }

  #agreementMeans(): Pick<DoneEvent, "agreement"> {
    if (this.#agreement === undefined) return {};
    const { sums, counts } = this.#agreement;
    return { agreement: Array.from(sums, (sum, layer) => (counts[layer] === 0 ? 1 : sum / counts[layer])) };
  }

  /** Known once the rest of the text was read. */
  #calls(): Pick<DoneEvent, "toolCalls"> {
    const calls = this.#parts.toolCalls?.calls ?? [];
    return calls.length === 0 ? {} : { toolCalls: calls };
  }

  #release(): void {
    this.#ended = true;
    this.#parts.constraint?.dispose();
    for (const pin of this.#parts.pins) pin.release();
  }

  #trace(trace: RowTrace | undefined): TokenTrace {
    const names = this.#parts.expertNames;
    if (names === undefined || trace === undefined) return this.#parts.fixedTrace;
    return trace.map(({ experts, gates }) => ({ experts: experts.map((e) => names[e]!), gates }));
  }
}
