// The contract as a table: every message's fields, their ranges and their protobuf numbers; those of reports in report_contract.ts.
// proto/molora.proto states the same for other languages, and a test holds the two together.

import type {
  ChatMessage,
  GenerateRequest,
  ResponseFormat,
  Timings,
  TokenBias,
  TokenLogprob,
  Tool,
  ToolCall,
  ToolChoice,
  Usage,
  WeightedAdapter,
} from "./api.ts";
import type { ClientMessage, PackedTrace, PushedFile, ServerMessage } from "./messages.ts";
import { adapterReport, engineStats, generation, mixtureReport } from "./report_contract.ts";
import {
  boolean,
  bytes,
  double,
  doubleAbove,
  float,
  json,
  list,
  may,
  need,
  type ObjectSpec,
  type Of,
  object,
  oneOf,
  string,
  uint32,
  uint53,
} from "./schema.ts";

/** Most alternatives that a log-probability lists. The sampling kernel keeps as many (shaders/sampling/sample.ts). */
export const MAX_LOGPROBS = 20;

/** Most ids of a prompt. */
export const MAX_IDS = 2 ** 20;

/** Most turns of a conversation: what a chat template renders without holding up everyone else. */
export const MAX_MESSAGES = 4096;

/** Most files of a folder that is pushed, and most bytes of one `push_data`. */
export const MAX_PUSHED_FILES = 64;
export const MAX_PUSH_DATA = 2 ** 20;

const id = string(1, 128);
const name = string(1, 256);
const path = string(1, 4096);
const logprobCount = uint32(0, MAX_LOGPROBS);
const penalty = double(-2, 2);

/** Each level of a JSON schema is two or three of JSON. */
const SCHEMA_DEPTH = 128;

const toolCall = object<ToolCall>("ToolCall", {
  id: need(1, string(1, 128)),
  name: need(2, string(1, 256)),
  arguments: need(3, string()),
});
const chatMessage = object<ChatMessage>("ChatMessage", {
  role: need(1, string(1, 64)),
  content: need(2, string()),
  name: may(3, name),
  toolCalls: may(4, list(toolCall, 128)),
  toolCallId: may(5, string(1, 128)),
});
const tool = object<Tool>("Tool", {
  name: need(1, string(1, 64)),
  description: may(2, string(0, 16384)),
  parameters: may(3, json(SCHEMA_DEPTH)),
});
const toolChoice = object<ToolChoice>("ToolChoice", {
  type: need(1, oneOf("auto", "none", "required", "tool")),
  name: may(2, string(1, 64)),
});
const responseFormat = object<ResponseFormat>("ResponseFormat", {
  type: need(1, oneOf("text", "json_object", "json_schema")),
  schema: may(2, json(SCHEMA_DEPTH)),
});
const tokenBias = object<TokenBias>("TokenBias", {
  id: need(1, uint32()),
  bias: need(2, double(-100, 100)),
});
const weightedAdapter = object<WeightedAdapter>("WeightedAdapter", {
  id: need(1, name),
  weight: need(2, double(-1e4, 1e4)),
});

const request = {
  prompt: may(2, string()),
  messages: may(3, list(chatMessage, MAX_MESSAGES)),
  ids: may(4, list(uint32(), MAX_IDS)),
  raw: may(5, boolean()),
  adapter: may(6, name),
  adapters: may(7, list(weightedAdapter, 64)),
  mixture: may(8, name),
  temperature: may(9, double(0, 100)),
  topK: may(10, uint32()),
  topP: may(11, doubleAbove(0, 1)),
  minP: may(12, double(0, 1)),
  seed: may(13, uint53()),
  repetitionPenalty: may(14, doubleAbove(0, 100)),
  presencePenalty: may(15, penalty),
  frequencyPenalty: may(16, penalty),
  maxTokens: may(17, uint32(1)),
  stop: may(18, list(string(1, 1024), 64)),
  stopIds: may(19, list(uint32(), 1024)),
  ignoreEos: may(20, boolean()),
  logprobs: may(21, logprobCount),
  promptLogprobs: may(22, logprobCount),
  trace: may(23, boolean()),
  tools: may(24, list(tool, 128)),
  toolChoice: may(25, toolChoice),
  responseFormat: may(26, responseFormat),
  logitBias: may(31, list(tokenBias, 1024)),
  addGenerationPrompt: may(32, boolean()),
  continueFinalMessage: may(33, boolean()),
  chatTemplateKwargs: may(34, json()),
  allowSpecialTokens: may(40, boolean()),
};
const inputs: ["prompt", "messages", "ids"] = ["prompt", "messages", "ids"];
const routes: ["adapter", "adapters", "mixture"] = ["adapter", "adapters", "mixture"];

/** A request without its envelope, as HTTP and other front ends check it. */
export const GENERATE_REQUEST = object<GenerateRequest>("Generate", request, {
  exactlyOne: [inputs],
  atMostOne: [routes],
});

const tokenAlternative = object<{ id: number; logprob: number }>("TokenAlternative", {
  id: need(1, uint32()),
  logprob: need(2, double()),
});
const tokenLogprob = object<TokenLogprob>("TokenLogprob", {
  id: need(1, uint32()),
  logprob: need(2, double()),
  top: need(3, list(tokenAlternative, MAX_LOGPROBS)),
});
const packedTrace = object<PackedTrace>("PackedTrace", {
  perLayer: need(1, list(uint32())),
  experts: need(2, list(uint32())),
  gates: need(3, list(float())),
});
const usage = object<Usage>("Usage", {
  promptTokens: need(1, uint32()),
  completionTokens: need(2, uint32()),
  cachedTokens: may(3, uint32()),
});
const timings = object<Timings>("Timings", {
  queued: need(1, double()),
  firstToken: need(2, double()),
  total: need(3, double()),
});
const pushedFile = object<PushedFile>("PushedFile", {
  name: need(1, string(1, 255)),
  bytes: need(2, uint53()),
  sha256: need(3, string(1, 128)),
});

type Payload<M extends { type: string }, T extends string> = Omit<Extract<M, { type: T }>, "type">;
type Contract<M extends { type: string }> = {
  readonly [T in M["type"]]: { tag: number; spec: Of<Payload<M, T>, ObjectSpec> };
};
/** A side's messages by `type`; `tag` is the message's number in the protobuf envelope. */
export type MessageTable = { readonly [type: string]: { tag: number; spec: ObjectSpec } };

export const CLIENT_MESSAGES: Contract<ClientMessage> = {
  generate: {
    tag: 1,
    spec: object("Generate", { id: need(1, id), ...request }, { exactlyOne: [inputs], atMostOne: [routes] }),
  },
  cancel: { tag: 2, spec: object("Cancel", { id: need(1, id) }) },
  adapter_list: { tag: 3, spec: object("AdapterList", { id: need(1, id) }) },
  adapter_load: { tag: 4, spec: object("AdapterLoad", { id: need(1, id), name: need(2, name), path: may(3, path) }) },
  adapter_unload: { tag: 5, spec: object("AdapterUnload", { id: need(1, id), name: need(2, name) }) },
  mixture_list: { tag: 6, spec: object("MixtureList", { id: need(1, id) }) },
  mixture_load: { tag: 7, spec: object("MixtureLoad", { id: need(1, id), name: need(2, name), path: may(3, path) }) },
  mixture_unload: { tag: 8, spec: object("MixtureUnload", { id: need(1, id), name: need(2, name) }) },
  stats: { tag: 9, spec: object("Stats", { id: need(1, id) }) },
  push: {
    tag: 10,
    spec: object("Push", {
      id: need(1, id),
      name: need(2, name),
      files: need(3, list(pushedFile, MAX_PUSHED_FILES)),
      expectedGeneration: may(4, string(0, 128)),
      pinned: may(5, boolean()),
    }),
  },
  push_data: {
    tag: 11,
    spec: object("PushData", { id: need(1, id), offset: need(2, uint53()), data: need(3, bytes(MAX_PUSH_DATA)) }),
  },
};

export const SERVER_MESSAGES: Contract<ServerMessage> = {
  accepted: {
    tag: 1,
    spec: object("Accepted", {
      id: need(1, id),
      promptTokens: need(2, uint32()),
      generations: need(3, list(generation)),
      experts: need(4, list(string())),
      thinks: may(5, boolean()),
    }),
  },
  token: {
    tag: 2,
    spec: object("Token", {
      id: need(1, id),
      index: need(2, uint32()),
      ids: need(3, list(uint32())),
      text: need(4, string()),
      logprobs: may(5, list(tokenLogprob)),
      traces: may(6, list(packedTrace)),
      baseExperts: may(7, list(packedTrace)),
    }),
  },
  done: {
    tag: 3,
    spec: object(
      "Done",
      {
        id: need(1, id),
        finishReason: need(2, oneOf("stop", "length", "cancelled")),
        stopString: may(3, string()),
        stopId: may(4, uint32()),
        text: need(5, string()),
        usage: need(6, usage),
        timings: need(7, timings),
        generations: need(8, list(generation)),
        promptLogprobs: may(9, list(tokenLogprob)),
        toolCalls: may(10, list(toolCall)),
        limitedBy: may(11, oneOf("context", "memory")),
        agreement: may(12, list(double())),
      },
      { atMostOne: [["stopString", "stopId"]] },
    ),
  },
  error: {
    tag: 4,
    spec: object("Error", {
      id: may(1, id),
      code: need(2, string(1, 64)),
      message: need(3, string()),
      remedy: may(4, string()),
      details: may(5, json()),
    }),
  },
  adapters: { tag: 5, spec: object("Adapters", { id: need(1, id), adapters: need(2, list(adapterReport)) }) },
  mixtures: { tag: 6, spec: object("Mixtures", { id: need(1, id), mixtures: need(2, list(mixtureReport)) }) },
  stats: { tag: 7, spec: object("StatsReply", { id: need(1, id), stats: need(2, engineStats) }) },
  loaded: {
    tag: 8,
    spec: object(
      "Loaded",
      { id: need(1, id), adapter: may(2, adapterReport), mixture: may(3, mixtureReport) },
      { exactlyOne: [["adapter", "mixture"]] },
    ),
  },
  unloaded: { tag: 9, spec: object("Unloaded", { id: need(1, id), name: need(2, name) }) },
  received: { tag: 10, spec: object("Received", { id: need(1, id), bytes: need(2, uint53()) }) },
};
