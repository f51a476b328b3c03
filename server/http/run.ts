// Generations of one HTTP request, side by side: accepted together or not at all, ended together when one fails.

import type { Accepted, DoneEvent, GenerateRequest, GenerationEvent, TokenEvent } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { EnginePort } from "../port.ts";

export interface Run {
  accepted: Accepted;
  events: AsyncGenerator<GenerationEvent, void>;
}

/** Resolves once all are in line. @throws MoloraError of the first that cannot run; the others are cancelled then. */
export async function startRuns(
  engine: EnginePort,
  requests: readonly GenerateRequest[],
  abort: AbortController,
): Promise<Run[]> {
  const started = await Promise.allSettled(requests.map((request) => startRun(engine, request, abort.signal)));
  const failed = started.find((result) => result.status === "rejected");
  if (failed === undefined) return started.map((result) => (result as PromiseFulfilledResult<Run>).value);
  abort.abort();
  for (const result of started) if (result.status === "fulfilled") await result.value.events.return();
  throw failed.reason;
}

async function startRun(engine: EnginePort, request: GenerateRequest, signal: AbortSignal): Promise<Run> {
  let accept: (accepted: Accepted) => void = () => {};
  const accepted = new Promise<Accepted>((resolve) => {
    accept = resolve;
  });
  const iterator = engine.generate(request, { signal, onAccepted: accept })[Symbol.asyncIterator]();
  const first = iterator.next();
  // What refuses a request is thrown by the first pull, before it is accepted.
  await Promise.race([accepted, first]);
  // Told only when `events` pulls it; until then a failure must not count as unhandled.
  first.catch(() => {});
  return { accepted: await accepted, events: resume(iterator, first) };
}

async function* resume(
  iterator: AsyncIterator<GenerationEvent>,
  first: Promise<IteratorResult<GenerationEvent>>,
): AsyncGenerator<GenerationEvent, void> {
  try {
    for (let result = await first; result.done !== true; result = await iterator.next()) yield result.value;
  } finally {
    await iterator.return?.();
  }
}

/** A generation as a whole. */
export interface Finished {
  tokens: TokenEvent[];
  text: string;
  done: DoneEvent;
  accepted: Accepted;
}

export async function finish({ accepted, events }: Run): Promise<Finished> {
  const tokens: TokenEvent[] = [];
  let text = "";
  for await (const event of events) {
    text += event.text;
    if (event.type === "done") return { tokens, text, done: event, accepted };
    tokens.push(event);
  }
  throw new MoloraError("internal", "the generation ended without a result");
}
