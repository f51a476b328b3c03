// The body of `/v1/completions` as requests to the engine, one a prompt.
// It knows nothing of answers.

import type { Fields } from "../../files/fields.ts";
import type { GenerateRequest, Routing } from "../../proto/api.ts";
import { checkRequest, type Delivery, openBody, readDelivery, readExtension, readSettings } from "./request_fields.ts";

const OWN = ["prompt", "logprobs", "echo", "best_of", "suffix"];
/** Sequences of one request, over all its prompts. */
const MOST_SEQUENCES = 256;
/** OpenAI's default. */
const DEFAULT_LENGTH = 16;

export interface CompletionRequest extends Delivery {
  model: string;
  requests: GenerateRequest[];
}

/** @throws MoloraError `bad_request`, or what `resolve` throws for the model's name. */
export function readCompletion(raw: unknown, resolve: (model: string) => Routing): CompletionRequest {
  const body = openBody(raw, OWN);
  const model = body.string("model");
  const delivery = readDelivery(body);
  if (body.has("echo") && body.boolean("echo")) body.fail("echo", "false: the prompt is not repeated here");
  if (body.has("suffix") && body.raw("suffix") !== "") body.fail("suffix", "left out: text is not filled in here");
  if (body.has("best_of") && body.raw("best_of") !== delivery.n) body.fail("best_of", `equal to "n"`);
  const shared = {
    ...resolve(model),
    ...readSettings(body),
    ...readExtension(body),
    maxTokens: body.raw("max_tokens") ?? DEFAULT_LENGTH,
    logprobs: body.raw("logprobs"),
  };
  const prompts = readPrompts(body);
  if (prompts.length * delivery.n > MOST_SEQUENCES) body.fail("n", `at most ${MOST_SEQUENCES} over all prompts`);
  const requests = prompts.map((prompt) =>
    checkRequest({ ...shared, ...prompt }, { maxTokens: "max_tokens", ids: "prompt" }),
  );
  return { ...delivery, model, requests };
}

/** A text, a list of ids, or a list of either. */
function readPrompts(body: Fields): { prompt?: unknown; ids?: unknown; raw?: true }[] {
  const prompt = body.raw("prompt");
  if (typeof prompt === "string") return [{ prompt, raw: true }];
  const prompts = body.array("prompt");
  if (prompts.length === 0 || prompts.length > MOST_SEQUENCES) body.fail("prompt", `a list of 1 to ${MOST_SEQUENCES}`);
  if (prompts.every((item) => typeof item === "number")) return [{ ids: prompts }];
  return prompts.map((item) => {
    if (typeof item === "string") return { prompt: item, raw: true };
    return Array.isArray(item) ? { ids: item } : body.fail("prompt", "a text, token ids, or a list of either");
  });
}
