// The messages of the wire as types: one discriminated union for each side, whose `type` fixes the payload.
// contract.ts has their limits; proto/molora.proto says the same for other languages.

import type {
  AdapterReport,
  EngineStats,
  FinishReason,
  GenerateRequest,
  Generation,
  LengthLimit,
  MixtureReport,
  Timings,
  TokenLogprob,
  ToolCall,
  Usage,
} from "./api.ts";

/** `id` names the request that a message belongs to. The client chooses it; it is unique among its open requests. */
interface Correlated {
  id: string;
}

export interface GenerateMessage extends Correlated, GenerateRequest {
  type: "generate";
}
/** `id` is that of the request to cancel. The cancelled request answers, with `done` or `error`. */
export interface CancelMessage extends Correlated {
  type: "cancel";
}
export interface AdapterListMessage extends Correlated {
  type: "adapter_list";
}
export interface AdapterLoadMessage extends Correlated {
  type: "adapter_load";
  name: string;
  /** Relative to the server's adapter folder. Default: `name`. */
  path?: string;
}
export interface AdapterUnloadMessage extends Correlated {
  type: "adapter_unload";
  name: string;
}
export interface MixtureListMessage extends Correlated {
  type: "mixture_list";
}
export interface MixtureLoadMessage extends Correlated {
  type: "mixture_load";
  name: string;
  /** Relative to the server's mixture folder. Default: `name`. */
  path?: string;
}
export interface MixtureUnloadMessage extends Correlated {
  type: "mixture_unload";
  name: string;
}
export interface StatsMessage extends Correlated {
  type: "stats";
}

/** A file of a folder that is pushed; its name is one of the folder's own, without a path. */
export interface PushedFile {
  name: string;
  bytes: number;
  /** SHA-256, lower-case hex. */
  sha256: string;
}
/**
 * An adapter or a mixture from the client's memory. Its bytes follow in `push_data`, file after file, once `received` was
 * answered; when all are there and whole, `loaded` is.
 */
export interface PushMessage extends Correlated {
  type: "push";
  name: string;
  files: PushedFile[];
  /** The generation that the name must stand for now; "": none. */
  expectedGeneration?: string;
  /** Stays in host memory. */
  pinned?: boolean;
}
/** The next bytes of the push of this id. */
export interface PushDataMessage extends Correlated {
  type: "push_data";
  /** Bytes before these, over all files. */
  offset: number;
  data: Uint8Array;
}

export type ClientMessage =
  | GenerateMessage
  | CancelMessage
  | AdapterListMessage
  | AdapterLoadMessage
  | AdapterUnloadMessage
  | MixtureListMessage
  | MixtureLoadMessage
  | MixtureUnloadMessage
  | StatsMessage
  | PushMessage
  | PushDataMessage;

/** The request is queued. Traces of this request index `experts`. */
export interface AcceptedMessage extends Correlated {
  type: "accepted";
  promptTokens: number;
  generations: Generation[];
  experts: string[];
  thinks?: boolean;
}

/** One token's experts and gates in every layer as flat lists; trace.ts packs and unpacks them. */
export interface PackedTrace {
  /** How many experts each layer has; a single entry holds for every layer. */
  perLayer: number[];
  /** Indices into the `experts` of `accepted` (for the base's own experts, their numbers), layer after layer. */
  experts: number[];
  /** float32, parallel to `experts`; empty: every gate is 1. */
  gates: number[];
}

/** Tokens `index`, `index + 1`, …: `text` becomes readable with the last of `ids`. */
export interface TokenMessage extends Correlated {
  type: "token";
  index: number;
  ids: number[];
  text: string;
  /** One an id, when asked for. */
  logprobs?: TokenLogprob[];
  /** One an id, when asked for. */
  traces?: PackedTrace[];
  /** One an id, when traces were asked for and the base has experts of its own. */
  baseExperts?: PackedTrace[];
}

export interface DoneMessage extends Correlated {
  type: "done";
  finishReason: FinishReason;
  /** The stop string that ended it. */
  stopString?: string;
  /** The stop id that ended it. */
  stopId?: number;
  /** With finish reason `length`, where it was not the request's own maxTokens. */
  limitedBy?: LengthLimit;
  text: string;
  usage: Usage;
  timings: Timings;
  generations: Generation[];
  promptLogprobs?: TokenLogprob[];
  toolCalls?: ToolCall[];
  agreement?: number[];
}

/** Without `id`, the error is about the frame or the connection, not about an open request. */
export interface ErrorReply {
  type: "error";
  id?: string;
  /** A code of proto/error_codes.ts; a newer server may know more codes. */
  code: string;
  message: string;
  remedy?: string;
  details?: Record<string, unknown>;
}

export interface AdaptersMessage extends Correlated {
  type: "adapters";
  adapters: AdapterReport[];
}
export interface MixturesMessage extends Correlated {
  type: "mixtures";
  mixtures: MixtureReport[];
}
export interface StatsReply extends Correlated {
  type: "stats";
  stats: EngineStats;
}
/** Exactly one of the two reports is there. */
export interface LoadedMessage extends Correlated {
  type: "loaded";
  adapter?: AdapterReport;
  mixture?: MixtureReport;
}
export interface UnloadedMessage extends Correlated {
  type: "unloaded";
  name: string;
}

/** So many bytes of a push are here, over all its files. */
export interface ReceivedMessage extends Correlated {
  type: "received";
  bytes: number;
}

export type ServerMessage =
  | AcceptedMessage
  | TokenMessage
  | DoneMessage
  | ErrorReply
  | AdaptersMessage
  | MixturesMessage
  | StatsReply
  | LoadedMessage
  | UnloadedMessage
  | ReceivedMessage;

export type Reply = Exclude<ServerMessage, ErrorReply>;

/** What one socket carries: text frames for JSON, binary frames for the others. */
export type Frame = string | Uint8Array;
