// The shapes an application meets: requests, the events they stream, and reports of what was loaded.
// It knows nothing of GPUs, files or sockets; the wire protocol carries exactly these shapes.

import type { ErrorCode } from "./errors.ts";

/** One turn of a conversation, as chat templates take it. */
export interface ChatMessage {
  role: string;
  /** "" where a turn only calls tools. */
  content: string;
  /** Who speaks, or the tool that answers. */
  name?: string;
  /** Tools the assistant called in this turn. */
  toolCalls?: ToolCall[];
  /** Which call a turn of role "tool" answers. */
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

/** What to generate. Exactly one of `prompt`, `messages`, `ids` is given. */
export interface GenerateRequest extends Routing, SamplingOptions {
  /** Text. Rendered as one user turn of the chat template unless `raw`. */
  prompt?: string;
  messages?: ChatMessage[];
  /** Token ids, taken as they are. */
  ids?: number[];
  /** Take `prompt` as it is, without the chat template. */
  raw?: boolean;
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

/** A generated token. `text` is what becomes readable with it: "" while a UTF-8 character or a possible stop string is open. */
export interface TokenEvent {
  type: "token";
  /** 0-based position in the generated sequence. */
  index: number;
  id: number;
  text: string;
  logprob?: TokenLogprob;
  trace?: TokenTrace;
}

export type FinishReason = "stop" | "length" | "cancelled";

/** Content hash of an adapter, router or base a request was pinned to. */
export interface Generation {
  kind: "base" | "adapter" | "mixture";
  name: string;
  hash: string;
}

export interface Usage {
  promptTokens: number;
  completionTokens: number;
  /** Tokens of the prompt that were not computed but found in the prefix cache; absent where none were. */
  cachedTokens?: number;
}

/** Seconds, by the engine's clock, from the moment the request was added. */
export interface Timings {
  queued: number;
  firstToken: number;
  total: number;
}

/** The end of a generation. `text` is a remainder that was held back, released now. */
export interface DoneEvent {
  type: "done";
  finishReason: FinishReason;
  /** The stop string or id that ended it. */
  stopped?: string | number;
  text: string;
  usage: Usage;
  timings: Timings;
  generations: Generation[];
  /** Calls of the request's tools, in order; absent where there is none. */
  toolCalls?: ToolCall[];
  /** One per prompt token but the first, when `promptLogprobs` was asked for. */
  promptLogprobs?: TokenLogprob[];
}

export type GenerationEvent = TokenEvent | DoneEvent;

/** What is known once a request is queued: its length, what it is pinned to, and the names its trace may hold. */
export interface Accepted {
  promptTokens: number;
  generations: Generation[];
  /** Every expert name a `trace` of this request may contain ("base" included), without repeats, in a fixed order. */
  experts: string[];
}

export interface GenerateOptions {
  /** Aborting cancels the request: it ends with `done`, finish reason "cancelled". */
  signal?: AbortSignal;
  /** Called once, before the first event. */
  onAccepted?: (accepted: Accepted) => void;
}

/** What loading an adapter did. */
export interface AdapterReport {
  name: string;
  hash: string;
  /** Module paths ("layers.3.q_proj") that received a delta. */
  matched: string[];
  /** Tensors of the file that no module took (always empty on success). */
  unmatched: string[];
  /** Distinct ranks, ascending. */
  ranks: number[];
  /** Distinct effective scales (alpha / r, or alpha / sqrt r), ascending. */
  scales: number[];
  /** Bytes it takes on the device. */
  bytes: number;
}

export interface MixtureReport {
  name: string;
  hash: string;
  router: string;
  experts: string[];
  bytes: number;
}

/** How a router spread its choices in one layer. */
export interface LayerShare {
  share: number[];
  /** 0 where one expert took all, ln(experts) where all took the same. */
  entropy: number;
}

/** A point-in-time picture of the engine. */
export interface EngineStats {
  model: string;
  running: number;
  waiting: number;
  steps: number;
  promptTokens: number;
  generatedTokens: number;
  preemptions: number;
  pagesTotal: number;
  pagesFree: number;
  /** Generations that lost their pages to others. */
  evictions: number;
  adapters: { name: string; hash: string; resident: boolean; running: number; tokens: number }[];
  /** `share`: of (token, layer) choices, by expert; `layers`: the same within each layer, and its entropy in nats. */
  mixtures: { name: string; hash: string; experts: string[]; share: number[]; layers: LayerShare[] }[];
}

/** An error as it travels. */
export interface ErrorMessage {
  code: ErrorCode;
  message: string;
  remedy?: string;
  details?: Record<string, unknown>;
}
