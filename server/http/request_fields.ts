// The fields that chat and text completions share, read from OpenAI's names (and vLLM's, for what OpenAI has none).
// The contract's one validator checks ranges.

import { thinks } from "../../engine/text/reasoning.ts";
import { Fields } from "../../files/fields.ts";
import type {
  GenerateRequest,
  ResponseFormat,
  Routing,
  SamplingOptions,
  TokenBias,
  ToolChoice,
} from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { validateRequest } from "../../proto/validate.ts";
import { findResolver } from "./models.ts";
import type { HttpRequest } from "./router.ts";
import type { UnknownFields } from "./unknown_fields.ts";

/** How an answer is given, beside what is generated. */
export interface Delivery {
  stream: boolean;
  includeUsage: boolean;
  /** Sequences for each prompt. */
  n: number;
}

export const MOST_SEQUENCES = 64;

/** OpenAI's and vLLM's names of settings that the engine has under another one. */
const RENAMED = {
  temperature: "temperature",
  top_p: "topP",
  top_k: "topK",
  min_p: "minP",
  seed: "seed",
  repetition_penalty: "repetitionPenalty",
  presence_penalty: "presencePenalty",
  frequency_penalty: "frequencyPenalty",
  stop_token_ids: "stopIds",
  ignore_eos: "ignoreEos",
  allow_special_tokens: "allowSpecialTokens",
} as const;

const SHARED = ["model", "stream", "stream_options", "molora", "logit_bias", ...Object.keys(RENAMED)];
/** What chat and text completions share beyond that. */
export const COMPLETION_FIELDS = ["n", "stop", "max_tokens"];

/** Most tokens a request biases. */
const MOST_BIASES = 1024;

/** A body of these fields and the shared ones; `unknown` judges the others. @throws MoloraError `bad_request`. */
export function openBody(body: unknown, own: readonly string[], unknown: UnknownFields): Fields {
  const fields = new Fields(body, "request", "bad_request");
  unknown.check(fields, [...SHARED, ...own]);
  return fields;
}

export function readDelivery(body: Fields, unknown: UnknownFields): Delivery {
  const stream = body.has("stream") && body.boolean("stream");
  const options = body.has("stream_options") ? body.object("stream_options") : undefined;
  if (options !== undefined) unknown.check(options, ["include_usage", "include_obfuscation"], "stream_options");
  return {
    stream,
    includeUsage: options?.has("include_usage") === true && options.boolean("include_usage"),
    n: body.has("n") ? body.integer("n", 1, MOST_SEQUENCES) : 1,
  };
}

/** The model behind the names that requests give. */
export interface ServedModel {
  /** @throws MoloraError `unknown_model` */
  resolve(model: string): Routing;
  /** What its makers sample with. */
  defaults: SamplingOptions;
  /** Whether its chat template knows of thoughts. @throws MoloraError `unknown_model` */
  thinks(model: string): boolean;
}

export async function servedModel(request: HttpRequest): Promise<ServedModel> {
  const { engine } = request;
  const resolve = await findResolver(request);
  return {
    resolve,
    defaults: engine.samplingDefaults ?? {},
    thinks: (model) => thinks(engine.tokenizerOf(resolve(model)).chatTemplate),
  };
}

/** Settings by the engine's names, unchecked. Temperature is the model's, else 1, as OpenAI has it, where none is given. */
export function readSettings(body: Fields, { defaults }: ServedModel): Record<string, unknown> {
  const settings: Record<string, unknown> = { temperature: 1, ...defaults };
  for (const [theirs, ours] of Object.entries(RENAMED)) {
    if (body.has(theirs)) settings[ours] = body.raw(theirs);
  }
  // vLLM says "all" as -1.
  if (settings.topK === -1) settings.topK = 0;
  const stop = body.raw("stop");
  if (stop !== undefined) settings.stop = typeof stop === "string" ? [stop] : stop;
  const biases = readBiases(body);
  if (biases.length > 0) settings.logitBias = biases;
  return settings;
}

/** OpenAI's map of token ids (as JSON's keys: texts) to what is added to their logits. */
function readBiases(body: Fields): TokenBias[] {
  if (!body.has("logit_bias")) return [];
  const map = body.object("logit_bias");
  const ids = map.names();
  if (ids.length > MOST_BIASES) body.fail("logit_bias", `a map of at most ${MOST_BIASES} tokens`);
  return ids.map((id) => {
    const bias = map.raw(id);
    if (/^\d{1,9}$/.test(id) && typeof bias === "number" && Math.abs(bias) <= 100) return { id: Number(id), bias };
    return body.fail("logit_bias", "a map of token ids to numbers from -100 to 100");
  });
}

/** molora's own field: adapters by weight, and whether to report routing. `model` has said the rest. */
export function readExtension(body: Fields): Routing & { trace?: boolean } {
  if (!body.has("molora")) return {};
  const own = body.object("molora");
  own.only(["adapter", "adapters", "mixture", "trace"]);
  return Object.fromEntries(own.names().map((name) => [name, own.raw(name)]));
}

/** What the text is held to: nothing where a call is required, for then there is none. */
export function formatBeside(
  choice: ToolChoice | undefined,
  format: ResponseFormat | undefined,
): ResponseFormat | undefined {
  return choice?.type === "required" || choice?.type === "tool" ? undefined : format;
}

/** The one check of ranges and types. Complaints name the fields as the client wrote them. */
export function checkRequest(
  raw: Record<string, unknown>,
  renamed: Readonly<Record<string, string>> = {},
): GenerateRequest {
  try {
    return validateRequest(Object.fromEntries(Object.entries(raw).filter(([, value]) => value !== undefined)));
  } catch (thrown) {
    const error = MoloraError.from(thrown);
    const field = error.details?.field;
    if (typeof field !== "string") throw error;
    const theirs = theirName(field, renamed);
    throw new MoloraError(error.code, error.message.replace(`"${field}"`, `"${theirs}"`), {
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      details: { ...error.details, field: theirs },
    });
  }
}

function theirName(field: string, renamed: Readonly<Record<string, string>>): string {
  const found = Object.entries(RENAMED).find(([, ours]) => ours === field);
  return renamed[field] ?? found?.[0] ?? field;
}

/** The same request for each sequence: with a seed, sequence i draws with seed + i, so that they differ and repeat. */
export function sequences(request: GenerateRequest, n: number): GenerateRequest[] {
  return Array.from({ length: n }, (_, i) =>
    request.seed === undefined || i === 0 ? request : { ...request, seed: (request.seed + i) % 2 ** 32 },
  );
}
