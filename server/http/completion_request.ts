// The body of `/v1/completions` as requests to the engine, one a prompt.

import type { Fields } from "../../files/fields.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import {
  COMPLETION_FIELDS,
  checkRequest,
  type Delivery,
  MOST_SEQUENCES as MOST_OF_A_PROMPT,
  openBody,
  readDelivery,
  readExtension,
  readSettings,
  type ServedModel,
} from "./request_fields.ts";
import type { UnknownFields } from "./unknown_fields.ts";

const OWN = [...COMPLETION_FIELDS, "prompt", "logprobs", "echo", "best_of", "suffix"];
/** Sequences of one request, over all its prompts. */
const MOST_SEQUENCES = 256;
/** OpenAI's default. */
const DEFAULT_LENGTH = 16;

export interface CompletionRequest extends Delivery {
  model: string;
  requests: GenerateRequest[];
  /** Sequences generated for each prompt, of which the `n` likeliest a token are answered. */
  bestOf: number;
  /** The prompt stands before each text. */
  echo: boolean;
  /** Log-probabilities are answered. */
  logprobs: boolean;
}

/** @throws MoloraError `bad_request`, or what resolving throws for the model's name. */
export function readCompletion(raw: unknown, served: ServedModel, unknown: UnknownFields): CompletionRequest {
  const body = openBody(raw, OWN, unknown);
  const model = body.string("model");
  const delivery = readDelivery(body, unknown);
  const { n } = delivery;
  const echo = body.has("echo") && body.boolean("echo");
  if (body.has("suffix") && body.raw("suffix") !== "") body.fail("suffix", "left out: text is not filled in here");
  const bestOf = body.has("best_of") ? body.integer("best_of", n, MOST_OF_A_PROMPT) : n;
  if (bestOf > n && delivery.stream) body.fail("best_of", `equal to "n" in a stream`);
  const shared = {
    ...served.resolve(model),
    ...readSettings(body, served),
    ...readExtension(body),
    maxTokens: body.raw("max_tokens") ?? DEFAULT_LENGTH,
    logprobs: body.raw("logprobs"),
  };
  const prompts = readPrompts(body);
  if (prompts.length * bestOf > MOST_SEQUENCES) {
    body.fail(bestOf > n ? "best_of" : "n", `at most ${MOST_SEQUENCES} over all prompts`);
  }
  const requests = prompts.map((prompt) => readOne({ ...shared, ...prompt }, echo, bestOf > n));
  return { ...delivery, model, requests, bestOf, echo, logprobs: body.has("logprobs") };
}

/** An echo has its prompt scored; so has a request for no tokens at all. The likeliest texts are found by their scores. */
function readOne(raw: Record<string, unknown>, echo: boolean, ranked: boolean): GenerateRequest {
  const none = raw.maxTokens === 0;
  const renamed = { maxTokens: "max_tokens", ids: "prompt" };
  const request = checkRequest({ ...raw, ...(none ? { maxTokens: undefined } : {}) }, renamed);
  const { logprobs } = request;
  if (none) request.maxTokens = 0;
  if (none || (echo && logprobs !== undefined)) request.promptLogprobs = logprobs ?? 0;
  if (ranked) request.logprobs = logprobs ?? 0;
  return request;
}

/** A text, a list of ids, or a list of either. */
function readPrompts(body: Fields): { prompt?: unknown; ids?: unknown; raw?: true }[] {
  const prompt = body.raw("prompt");
  if (typeof prompt === "string") return [{ prompt, raw: true }];
  const prompts = body.array("prompt");
  if (prompts.length === 0) body.fail("prompt", `a list of 1 to ${MOST_SEQUENCES}`);
  if (prompts.every((item) => typeof item === "number")) return [{ ids: prompts }];
  if (prompts.length > MOST_SEQUENCES) body.fail("prompt", `a list of 1 to ${MOST_SEQUENCES}`);
  return prompts.map((item) => {
    if (typeof item === "string") return { prompt: item, raw: true };
    return Array.isArray(item) ? { ids: item } : body.fail("prompt", "a text, token ids, or a list of either");
  });
}
