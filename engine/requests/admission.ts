// A request becomes a ticket: its text ids, its routing resident keys, its settings checked, its generations pinned.
// It knows nothing of when it will run.

import type { ModelConfig } from "../../files/families/config.ts";
import type { Accepted, ChatMessage, GenerateRequest, Generation, TokenTrace } from "../../proto/api.ts";
import { MAX_LOGPROBS } from "../../proto/contract.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Bank } from "../adapters/placement.ts";
import type { LoadedGeneration, Pin, Registry } from "../adapters/registry.ts";
import type { Constraint } from "../sampling/constraint.ts";
import { resolveSampling } from "../sampling/sampling.ts";
import type { Job } from "../scheduler/job.ts";
import { promptEmpty, promptTooLong } from "../scheduler/refusals.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import { Sequence } from "../scheduler/sequence.ts";
import type { RoutePlan } from "../scheduler/step.ts";
import { renderChat } from "../text/chat_template.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { ToolCallReader } from "../text/tool_calls.ts";
import { conversation } from "../text/tool_prompt.ts";
import { callNotation, offeredTools } from "./constraints.ts";
import { Ticket } from "./ticket.ts";

export interface AdmissionParts {
  config: ModelConfig;
  /** Longest sequence, in tokens. */
  contextLength: number;
  /** Adapter entries a token can have. */
  entries: number;
  base: Generation;
  tokenizer: Tokenizer;
  registry: Registry;
  bank: Bank;
  scheduler: Scheduler;
}

/** Ids that end a request: the model's own unless they are ignored, and those it names. */
export function endIds({ config }: AdmissionParts, { ignoreEos, stopIds = [] }: GenerateRequest): Set<number> {
  return new Set([...(ignoreEos ? [] : config.eosIds), ...stopIds]);
}

/**
 * Checks a request and puts it in line. Throws a MoloraError and leaves no trace when it cannot run. `constraint` is what
 * its text is held to, if anything; the ticket disposes of it.
 */
export function admit(
  parts: AdmissionParts,
  request: GenerateRequest,
  id: string,
  constraint: Constraint | undefined,
): Ticket {
  const sampling = resolveSampling(request);
  const prompt = promptIds(parts, request);
  const chosen = choose(parts, request);
  const pins = chosen.generations.map((generation) => parts.registry.pin(generation));
  try {
    return enqueue(parts, request, { id, prompt, sampling, chosen, pins, constraint });
  } catch (error) {
    for (const pin of pins) pin.release();
    throw error;
  }
}

interface Draft {
  id: string;
  prompt: readonly number[];
  sampling: Job["sampling"];
  chosen: Choice;
  pins: readonly Pin[];
  constraint: Constraint | undefined;
}

function enqueue(
  parts: AdmissionParts,
  request: GenerateRequest,
  { id, prompt, sampling, chosen, pins, constraint }: Draft,
): Ticket {
  const { config, scheduler, bank, base, tokenizer } = parts;
  const residencyKeys = chosen.generations.flatMap((generation) => bank.needs(generation));
  const longest = Math.min(parts.contextLength, scheduler.longest(residencyKeys) || parts.contextLength);
  const room = longest - prompt.length;
  if (room < (request.maxTokens === 0 ? 0 : 1)) {
    throw promptTooLong(prompt.length, longest);
  }
  const wanted = atLeastZero("maxTokens", request.maxTokens ?? Number.MAX_SAFE_INTEGER);
  const maxTokens = Math.min(wanted, room);
  const limitedBy = wanted <= room ? undefined : longest < parts.contextLength ? "memory" : "context";
  const sequence = new Sequence({
    id,
    prompt,
    maxTokens,
    routePlan: chosen.plan,
    residencyKeys,
    promptLogprobs: request.promptLogprobs !== undefined,
    lockstep: constraint !== undefined,
    job: {
      sampling,
      ...biasesOf(request, config.vocabSize),
      logprobs: alternatives("logprobs", request.logprobs),
      promptLogprobs: alternatives("promptLogprobs", request.promptLogprobs),
      trace: request.trace ?? false,
      allowed: constraint && (() => constraint.allowed),
    },
  });
  const generations = [base, ...chosen.generations.map(({ kind, name, hash }) => ({ kind, name, hash }))];
  const accepted: Accepted = { promptTokens: prompt.length, generations, experts: [...new Set(chosen.names)] };
  const fixedTrace: TokenTrace = Array.from({ length: config.numLayers }, () => chosen.fixed);
  const expertNames = chosen.plan.kind === "router" ? chosen.names : undefined;
  const notation = callNotation(request, tokenizer.chatTemplate);
  const toolCalls =
    notation &&
    new ToolCallReader(
      notation,
      offeredTools(request).map(({ name }) => name),
    );
  const ending = { endIds: endIds(parts, request), limitedBy, constraint, toolCalls } as const;
  const ticket = new Ticket({ request, sequence, accepted, pins, tokenizer, expertNames, fixedTrace, ...ending });
  scheduler.add(sequence);
  return ticket;
}

/** How a request's tokens meet adapters. */
interface Choice {
  plan: RoutePlan;
  generations: LoadedGeneration[];
  /** Experts by index (routed), or what is named in the trace. */
  names: string[];
  /** The trace of a token where nothing is routed. */
  fixed: TokenTrace[number];
}

const BASE_ONLY: Choice = {
  plan: { kind: "none" },
  generations: [],
  names: ["base"],
  fixed: { experts: ["base"], gates: [1] },
};

function choose({ registry, entries }: AdmissionParts, { adapter, adapters, mixture }: GenerateRequest): Choice {
  if ([adapter, adapters, mixture].filter((field) => field !== undefined).length > 1) {
    throw new MoloraError("bad_request", "a request names more than one of adapter, adapters and mixture", {
      remedy: "Name one: an adapter, a weighted stack of adapters, or a mixture.",
    });
  }
  if (mixture !== undefined) {
    const loaded = registry.mixture(mixture);
    const names = loaded.mixture.experts.map(({ name }) => name);
    return {
      plan: { kind: "router", key: loaded.key },
      generations: [loaded],
      names,
      fixed: { experts: [], gates: [] },
    };
  }
  const stack = adapter === undefined ? (adapters ?? []) : [{ id: adapter, weight: 1 }];
  if (stack.length === 0) return BASE_ONLY;
  if (stack.length > entries) {
    throw new MoloraError("bad_request", `${stack.length} adapters are stacked`, {
      remedy: `Stack at most ${entries}.`,
    });
  }
  const loaded = stack.map(({ id, weight }) => {
    if (!Number.isFinite(weight)) throw new MoloraError("bad_request", `the weight of ${id} is ${weight}`);
    return { generation: registry.adapter(id), weight };
  });
  return {
    plan: { kind: "fixed", entries: loaded.map(({ generation, weight }) => ({ key: generation.key, weight })) },
    generations: loaded.map(({ generation }) => generation),
    names: stack.map(({ id }) => id),
    fixed: { experts: stack.map(({ id }) => id), gates: stack.map(({ weight }) => weight) },
  };
}

/** The prompt as ids: given, or encoded from text or from a conversation. */
function promptIds(parts: AdmissionParts, request: GenerateRequest): readonly number[] {
  const given = [request.prompt, request.messages, request.ids].filter((field) => field !== undefined);
  if (given.length !== 1) {
    throw new MoloraError("bad_request", `${given.length} of prompt, messages and ids are given`, {
      remedy: "Give exactly one of them.",
    });
  }
  const ids = request.ids ?? encodePrompt(parts.tokenizer, request);
  if (ids.length === 0) throw promptEmpty();
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= parts.config.vocabSize);
  if (wrong === undefined) return ids;
  throw new MoloraError("bad_request", `${wrong} is no token id of this model`, {
    remedy: `Ids are integers from 0 to ${parts.config.vocabSize - 1}.`,
  });
}

/** The prompt's ids, as a request with it would have them. @throws MoloraError what its template throws. */
export function encodePrompt(tokenizer: Tokenizer, request: GenerateRequest): number[] {
  const { prompt, messages, raw } = request;
  if (prompt !== undefined && raw) return tokenizer.encode(prompt);
  const turns: ChatMessage[] = messages ?? [{ role: "user", content: prompt ?? "" }];
  const { messages: rendered, ...tools } = conversation(tokenizer.chatTemplate, turns, offeredTools(request));
  const { addGenerationPrompt = true, continueFinalMessage = false } = request;
  const text = renderChat(tokenizer, rendered, { addGenerationPrompt, continueFinalMessage, ...tools });
  return tokenizer.encode(text, { addBos: false });
}

function biasesOf({ logitBias = [] }: GenerateRequest, vocabSize: number): Pick<Job, "biases"> {
  if (logitBias.length === 0) return {};
  const wrong = logitBias.find(({ id }) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (wrong === undefined) return { biases: logitBias };
  throw new MoloraError("bad_request", `logitBias names ${wrong.id}, which is no token id of this model`, {
    remedy: `Ids are integers from 0 to ${vocabSize - 1}.`,
    details: { field: "logitBias" },
  });
}

function alternatives(name: string, value: number | undefined): number | undefined {
  if (value === undefined || atLeastZero(name, value) <= MAX_LOGPROBS) return value;
  throw new MoloraError("bad_request", `${name} is ${value}`, { remedy: `Ask for at most ${MAX_LOGPROBS}.` });
}

function atLeastZero(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new MoloraError("bad_request", `${name} is ${value}`, { remedy: "Give an integer from 0 up." });
}
