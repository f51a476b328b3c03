// Generations on their way to a client as one stream of chunks, their tokens as they come.

import type { Accepted, DoneEvent, TokenEvent } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { errorBody } from "./errors.ts";
import type { Run } from "./run.ts";
import type { EventStream } from "./sse.ts";

export interface Chunks {
  open(index: number, accepted: Accepted): object | undefined;
  token(index: number, token: TokenEvent): object | undefined;
  done(index: number, done: DoneEvent): object[];
  usage(done: readonly DoneEvent[]): object;
}

/** Ends the stream in any case; an error is its last event then, and the other generations are aborted. */
export async function streamRuns(
  runs: readonly Run[],
  chunks: Chunks,
  sink: EventStream,
  abort: AbortController,
  includeUsage: boolean,
): Promise<void> {
  try {
    const done = await Promise.all(runs.map((run, index) => streamRun(run, index, chunks, sink)));
    if (includeUsage) await sink.send(chunks.usage(done));
    await sink.send("[DONE]");
  } catch (thrown) {
    abort.abort();
    await sink.send(errorBody(MoloraError.from(thrown)));
    await sink.send("[DONE]");
  }
  sink.end();
}

async function streamRun(
  { accepted, events }: Run,
  index: number,
  chunks: Chunks,
  sink: EventStream,
): Promise<DoneEvent> {
  const opening = chunks.open(index, accepted);
  if (opening !== undefined) await sink.send(opening);
  for await (const event of events) {
    if (event.type === "done") {
      for (const chunk of chunks.done(index, event)) await sink.send(chunk);
      return event;
    }
    const chunk = chunks.token(index, event);
    if (chunk !== undefined) await sink.send(chunk);
  }
  throw new MoloraError("internal", "the generation ended without a result");
}
