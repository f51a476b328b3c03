// The shapes an application meets: requests, and the events that they stream; reports of what is loaded stand in reports.ts.
// The wire protocol carries exactly these shapes.

import type { ErrorCode } from "./errors.ts";
import type { Generation } from "./reports.ts";

export type * from "./reports.ts";

/** One turn of a conversation, as chat templates take it. */
export interface ChatMessage {
  /** "system", "user", "assistant", "tool": what the model's template takes. */
  role: string;
  /** "" where a turn only calls tools. */
  content: string;
  /** Who speaks, or the tool that answers. */
  name?: string;
  /** Tools the assistant called in this turn. */
  toolCalls?: ToolCall[];
  /** The id of the call that a turn of role "tool" answers. */
  toolCallId?: string;
}

/** A function the model may call. */
export interface Tool {
  name: string;
  description?: string;
  /** JSON schema of its arguments object. */
  parameters?: Record<string, unknown>;
}

/** A call the model made. */
export interface ToolCall {
  id: string;
  name: string;
  /** JSON text of an object; as the model wrote it, not checked against the tool's schema. */
  arguments: string;
}

/**
 * Whether tools are called: as the model likes (`auto`), not at all (`none`: it is not told of them), at least one
 * (`required`), or the one named (`tool`). The last two constrain decoding to one well-formed call.
 */
export interface ToolChoice {
  type: "auto" | "none" | "required" | "tool";
  /** With `tool` only. */
  name?: string;
}

/** What the text is constrained to: nothing, a JSON object, or JSON that fits a schema. */
export interface ResponseFormat {
  type: "text" | "json_object" | "json_schema";
  /**
   * With `json_schema` only. Objects have the properties it names and no others. What cannot be kept to is refused with
   * `schema_invalid`, what would take too long with `schema_too_complex`.
   */
  schema?: Record<string, unknown>;
}

/** An adapter in a stack: `weight` multiplies its delta (1 = as trained). */
export interface WeightedAdapter {
  id: string;
  weight: number;
}

/** How the tokens of a request choose adapters. At most one field may be set; none means the base model. */
export interface Routing {
  /** One adapter for every token. */
  adapter?: string;
  /** A fixed weighted stack for every token. */
  adapters?: WeightedAdapter[];
  /** A mixture: its router chooses for every token in every layer. */
  mixture?: string;
}

/** What is added to one token's logit. */
export interface TokenBias {
  id: number;
  /** -100 to 100: the ends all but forbid the token and all but force it. */
  bias: number;
}

/** Sampling settings. Defaults: greedy (temperature 0), no truncation, no penalties. */
export interface SamplingOptions {
  /** 0 = greedy. */
  temperature?: number;
  /** Keep the k most likely tokens; 0 = all. */
  topK?: number;
  /** Keep the smallest set whose probability reaches topP, after topK; 1 = all. */
  topP?: number;
  /** Drop tokens less likely than minP × the likeliest; 0 = none. */
  minP?: number;
  /** Same seed, same request, same device: same tokens. Default: random. */
  seed?: number;
  /** Divides positive and multiplies negative logits of tokens in prompt or output; 1 = off. */
  repetitionPenalty?: number;
  /** Subtracted once from logits of tokens in the output; 0 = off. */
  presencePenalty?: number;
  /** Subtracted per occurrence in the output; 0 = off. */
  frequencyPenalty?: number;
}

/** How a name is given to an adapter. */
export interface LoadAdapterOptions {
  /**
   * Where an adapter of that name is loaded already: put this one in its place, for requests that come from now on.
   * Default: true. False refuses with `bad_request`.
   */
  replace?: boolean;
  /**
   * The generation (hash) that the name must stand for now, null for none: `generation_mismatch` where it does not. So of
   * two who read, decide and load, one learns that the other was first.
   */
  expectedGeneration?: string | null;
  /** Keep it in host memory, whatever else needs the room. Default: false. */
  pinned?: boolean;
}

/** What to generate. Exactly one of `prompt`, `messages`, `ids` is given. */
export interface GenerateRequest extends Routing, SamplingOptions {
  /** Text. Rendered as one user turn of the chat template unless `raw`. */
  prompt?: string;
  messages?: ChatMessage[];
  /** Token ids, taken as they are. */
  ids?: number[];
  /** Take `prompt` as it is, without the chat template. */
  raw?: boolean;
  /**
   * Whether special tokens spelt out in the text become those tokens. Default: only in a `raw` prompt. Elsewhere what a
   * person or a tool says stays text, so that nobody can forge a turn; set it where you trust all of it.
   */
  allowSpecialTokens?: boolean;
  /** Most tokens to generate. Default: what the context leaves. */
  maxTokens?: number;
  /** Generation ends before any of these strings would appear in the text. */
  stop?: string[];
  /** Token ids that end generation beside the model's own. */
  stopIds?: number[];
  /** Keep going at the model's end-of-sequence token. */
  ignoreEos?: boolean;
  /** Log-probability of each token and of its K likeliest alternatives (0 = the chosen only, at most 20). */
  logprobs?: number;
  /** Log-probabilities of the prompt's tokens too, with K alternatives. */
  promptLogprobs?: number;
  /** Report each token's experts and gates in every layer. */
  trace?: boolean;
  /** Functions the model is told of; its calls come with `done` and are left out of the text. Needs a chat template. */
  tools?: Tool[];
  /** Default: auto. */
  toolChoice?: ToolChoice;
  /** Default: text. */
  responseFormat?: ResponseFormat;
  /** Added to these tokens' logits before penalties and temperature; reported log-probabilities are without it. */
  logitBias?: TokenBias[];
  /** End the rendered conversation with the header of an assistant's turn. Default: true. */
  addGenerationPrompt?: boolean;
  /** Go on within the last message in place of a new turn; no header is added then. Default: false. */
  continueFinalMessage?: boolean;
  /** Further variables of the chat template (`{ enable_thinking: false }`, `documents`), over those the engine was started with. */
  chatTemplateKwargs?: Record<string, unknown>;
}

/** Natural-log probability of a token, of the model's distribution before temperature, penalties and truncation. */
export interface TokenLogprob {
  id: number;
  logprob: number;
  /** The likeliest tokens, best first; ties: lower id. */
  top: { id: number; logprob: number }[];
}

/** The experts one token had in one layer, by name ("base" where nothing was added), and their gates. */
export interface LayerChoice {
  experts: string[];
  gates: number[];
}

/** Index = layer. */
export type TokenTrace = LayerChoice[];

/** The base's own experts that a token took in a layer, by number, the likeliest first; none where its MLP is plain. */
export interface BaseExpertChoice {
  experts: number[];
  gates: number[];
}

/** A generated token. */
export interface TokenEvent {
  type: "token";
  /** 0-based position in the generated sequence. */
  index: number;
  id: number;
  /** The text that becomes readable with it: "" while a UTF-8 character or a possible stop string is open. */
  text: string;
  /** When `logprobs` was asked for. */
  logprob?: TokenLogprob;
  /** When `trace` was asked for. */
  trace?: TokenTrace;
  /** When `trace` was asked for and the base is a mixture of experts: which of its own it took. */
  baseExperts?: BaseExpertChoice[];
}

/** Why a generation ended: a stop token or string, the length, or a cancellation. */
export type FinishReason = "stop" | "length" | "cancelled";

/** What cut a text of finish reason `length` before its own maxTokens: the engine's context, or its memory for KV. */
export type LengthLimit = "context" | "memory";

/** How many tokens a generation read and wrote. */
export interface Usage {
  promptTokens: number;
  completionTokens: number;
  /** Tokens of the prompt that were not computed but found in the prefix cache; absent where none were. */
  cachedTokens?: number;
}

/** Seconds, by the engine's clock, from the moment the request was added. */
export interface Timings {
  /** Until its first step began. */
  queued: number;
  /** Until its first token was published. */
  firstToken: number;
  /** Until its end. */
  total: number;
}

/** The end of a generation. */
export interface DoneEvent {
  type: "done";
  finishReason: FinishReason;
  /** The stop string or id that ended it. */
  stopped?: string | number;
  /** With `length`, where it was not the request's own maxTokens. */
  limitedBy?: LengthLimit;
  /** The rest that was held back while a stop string was possible. */
  text: string;
  usage: Usage;
  timings: Timings;
  /** The base, adapters and mixture that it was pinned to. */
  generations: Generation[];
  /** Calls of the request's tools, in order; absent where there is none. */
  toolCalls?: ToolCall[];
  /** One per prompt token but the first, when `promptLogprobs` was asked for. */
  promptLogprobs?: TokenLogprob[];
  /**
   * When `trace` was asked for and several adapters acted at once: by layer, the share of parameters on which they agree in sign,
   * weighted by their gates, as a mean over its tokens; 1 where no two acted. Absent where it was not worked out yet.
   */
  agreement?: number[];
}

/** What a generation streams: tokens, then one `done`. */
export type GenerationEvent = TokenEvent | DoneEvent;

/** What is known once a request is queued: its length, what it is pinned to, and the names its trace may hold. */
export interface Accepted {
  promptTokens: number;
  generations: Generation[];
  /** Every expert name a `trace` of this request may contain ("base" included), without repeats, in a fixed order. */
  experts: string[];
  /** The prompt ends within a thought: what comes first is thought, up to `</think>`. */
  thinks?: boolean;
}

/** Of an AbortSignal what is needed here; every one is one, and a compiler without its type can still read this. */
export interface AbortLike {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** What accompanies a request without being part of it. */
export interface GenerateOptions {
  /** Aborting cancels the request: it ends with `done`, finish reason "cancelled". */
  signal?: AbortLike;
  /** Whose request it is: where requests wait, those of different tenants take turns. Not sent over the wire: a server knows its callers. */
  tenant?: string;
  /** Called once, before the first event. */
  onAccepted?: (accepted: Accepted) => void;
}

/** An error as the wire and `--json` carry it. */
export interface ErrorMessage {
  code: ErrorCode;
  /** The reason. */
  message: string;
  /** What the person can do about it. */
  remedy?: string;
  /** Facts for programs: the offending field, limits, lists of names. */
  details?: Record<string, unknown>;
}
