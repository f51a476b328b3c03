// The routes that generate: `/v1/chat/completions` and `/v1/completions`, whole or streamed.
// It joins the files that read bodies and write chunks.

import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import type { ServerLimits } from "../limits.ts";
import type { HttpEngine } from "../port.ts";
import { ChatChunks, chatCompletion } from "./chat_reply.ts";
import { readChat } from "./chat_request.ts";
import { TextChunks, textCompletion } from "./completion_reply.ts";
import { readCompletion } from "./completion_request.ts";
import { envelope } from "./reply.ts";
import { type Delivery, sequences, servedModel } from "./request_fields.ts";
import type { HttpReply, Router } from "./router.ts";
import { type Finished, finish, startRuns } from "./run.ts";
import { EventStream } from "./sse.ts";
import { type Chunks, streamRuns } from "./stream.ts";
import { tellIgnored, UnknownFields } from "./unknown_fields.ts";

/** `strict`: what would be ignored is refused. `heartbeatMs`: of streams. */
export interface CompletionOptions {
  strict?: boolean;
  heartbeatMs?: number;
  limits: ServerLimits;
}

export function completionRoutes(app: Router, options: CompletionOptions): void {
  app.post("/v1/chat/completions", async (request, reply) => {
    const unknown = new UnknownFields(options.strict);
    const { engine } = request;
    const chat = readChat(request.body, await servedModel(request), unknown);
    tellIgnored(reply, unknown);
    const head = envelope("chatcmpl", chat.model);
    return answer(engine, reply, { ...chat, ...options }, [chat.request], (tokenizer) => ({
      chunks: new ChatChunks(tokenizer, head, chat.includeUsage),
      whole: (finished) => chatCompletion(tokenizer, head, finished),
    }));
  });

  app.post("/v1/completions", async (request, reply) => {
    const unknown = new UnknownFields(options.strict);
    const { engine } = request;
    const completion = readCompletion(request.body, await servedModel(request), unknown);
    tellIgnored(reply, unknown);
    const head = envelope("cmpl", completion.model);
    const delivery = { ...completion, ...options, n: completion.bestOf };
    return answer(engine, reply, delivery, completion.requests, (tokenizer) => ({
      chunks: new TextChunks(tokenizer, head, completion),
      whole: (finished) => textCompletion(tokenizer, head, completion, finished),
    }));
  });
}

interface Answer {
  chunks: Chunks;
  whole(finished: readonly Finished[]): object;
}

async function answer(
  engine: HttpEngine,
  reply: HttpReply,
  { stream, includeUsage, n, heartbeatMs, limits }: Delivery & CompletionOptions,
  requests: readonly GenerateRequest[],
  writing: (tokenizer: Tokenizer) => Answer,
): Promise<object | undefined> {
  const abort = new AbortController();
  // A client that goes away frees what it had.
  reply.raw.on("close", () => abort.abort());
  const runs = await startRuns(
    engine,
    requests.flatMap((request) => sequences(request, n)),
    abort,
  );
  // All requests of a body name the same adapters, which are in memory now.
  const { chunks, whole } = writing(engine.tokenizerOf(requests[0] ?? {}));
  if (!stream) return whole(await Promise.all(runs.map(finish)));
  reply.hijack();
  const headers = Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]));
  const sink = new EventStream(reply.raw, headers, limits, heartbeatMs);
  await streamRuns(runs, chunks, sink, abort, includeUsage);
  return undefined;
}
