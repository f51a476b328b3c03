// Checks a request, resolves its adapters and pins them, and puts it in the queue. Its prompt is ids by then (prompt.ts).

import type { Accepted, DoneEvent, GenerateRequest, Generation, TokenTrace } from "../../proto/api.ts";
import { MAX_LOGPROBS } from "../../proto/contract.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { LoadedGeneration } from "../adapters/generation.ts";
import { namedKind } from "../adapters/named_kind.ts";
import type { Bank } from "../adapters/placement.ts";
import type { Pin } from "../adapters/registry.ts";
import type { Constraint } from "../sampling/constraint.ts";
import { resolveSampling } from "../sampling/sampling.ts";
import type { Job } from "../scheduler/job.ts";
import { promptTooLong } from "../scheduler/refusals.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import { Sequence } from "../scheduler/sequence.ts";
import { opensThought } from "../text/reasoning.ts";
import { ToolCallReader } from "../text/tool_calls.ts";
import { type Choice, type ChoiceParts, choose } from "./choice.ts";
import { callNotation, offeredTools } from "./constraints.ts";
import { type Lexicon, type LexiconParts, lexiconOf } from "./lexicon.ts";
import { Ticket } from "./ticket.ts";

export interface AdmissionParts extends ChoiceParts, LexiconParts {
  /** Longest sequence, in tokens. */
  contextLength: number;
  base: Generation;
  bank: Bank;
  scheduler: Scheduler;
}

/** Ids that end a request: the model's own unless they are ignored, and those it names. */
export function endIds({ endIds: own }: Lexicon, { ignoreEos, stopIds = [] }: GenerateRequest): Set<number> {
  return new Set([...(ignoreEos ? [] : own), ...stopIds]);
}

/** What is known of a request beside what it says. */
export interface Prepared {
  id: string;
  /** What its ids are of. */
  lexicon: Lexicon;
  /** From Prompts. */
  prompt: readonly number[];
  /** What its text is held to, if anything; the ticket disposes of it. */
  constraint: Constraint | undefined;
  /** Who asks. */
  tenant: string | undefined;
}

/** Checks a request and puts it in line. @throws MoloraError, and leaves no trace, when it cannot run. */
export function admit(parts: AdmissionParts, request: GenerateRequest, prepared: Prepared): Ticket {
  const sampling = resolveSampling(request);
  checkLexicon(prepared.lexicon, lexiconOf(parts, request));
  const chosen = choose(parts, request, prepared.prompt);
  const pins = chosen.generations.map((generation) => parts.registry.pin(generation));
  try {
    return enqueue(parts, request, { ...prepared, sampling, chosen, pins });
  } catch (error) {
    for (const pin of pins) pin.release();
    throw error;
  }
}

/** Ids of one vocabulary mean nothing in another. */
function checkLexicon(read: Lexicon, now: Lexicon): void {
  if (read.key === now.key) return;
  throw new MoloraError("generation_mismatch", "the request's adapter was replaced while its prompt was read", {
    remedy: "Ask again.",
  });
}

/** What a request that is cancelled before it is in line is told: accepted with nothing, and done. */
export function neverBegan({ base }: AdmissionParts): { accepted: Accepted; done: DoneEvent } {
  return {
    accepted: { promptTokens: 0, generations: [base], experts: [] },
    done: {
      type: "done",
      finishReason: "cancelled",
      text: "",
      usage: { promptTokens: 0, completionTokens: 0 },
      timings: { queued: 0, firstToken: 0, total: 0 },
      generations: [base],
    },
  };
}

interface Draft extends Prepared {
  sampling: Job["sampling"];
  chosen: Choice;
  pins: readonly Pin[];
}

function enqueue(
  parts: AdmissionParts,
  request: GenerateRequest,
  { id, lexicon, prompt, sampling, chosen, pins, constraint, tenant }: Draft,
): Ticket {
  const { config, scheduler, bank, base } = parts;
  const { tokenizer } = lexicon;
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
    ...(tenant === undefined ? {} : { tenant }),
    job: {
      sampling,
      vocabulary: lexicon.size,
      ...biasesOf(request, lexicon.size),
      logprobs: alternatives("logprobs", request.logprobs),
      promptLogprobs: alternatives("promptLogprobs", request.promptLogprobs),
      trace: request.trace ?? false,
      allowed: constraint && (() => constraint.allowed),
    },
  });
  const generations = [base, ...chosen.generations.map(toldGeneration)];
  const accepted: Accepted = {
    promptTokens: prompt.length,
    generations,
    experts: [...new Set(chosen.names)],
    // A text that is held to a grammar has no room for a thought.
    ...(constraint === undefined && opensThought(tokenizer, prompt) ? { thinks: true } : {}),
  };
  const fixedTrace: TokenTrace = Array.from({ length: config.numLayers }, () => chosen.fixed);
  const expertNames = chosen.plan.kind === "router" ? chosen.names : undefined;
  const notation = callNotation(request, tokenizer.toolTemplate);
  const toolCalls =
    notation &&
    new ToolCallReader(
      notation,
      offeredTools(request).map(({ name }) => name),
    );
  const ending = { endIds: endIds(lexicon, request), limitedBy, constraint, toolCalls } as const;
  const ticket = new Ticket({ request, sequence, accepted, pins, tokenizer, expertNames, fixedTrace, ...ending });
  scheduler.add(sequence);
  return ticket;
}

function toldGeneration(generation: LoadedGeneration): Generation {
  return { kind: namedKind(generation), name: generation.name, hash: generation.hash };
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
