// `/v1/responses`: make one, whole or streamed, look one up, delete one.

import { thinks } from "../../../engine/text/reasoning.ts";
import type { ChatMessage } from "../../../proto/api.ts";
import { MoloraError } from "../../../proto/errors.ts";
import type { CompletionOptions } from "../completions.ts";
import { servedModel } from "../request_fields.ts";
import type { HttpRequest, Router } from "../router.ts";
import { type Run, startRuns } from "../run.ts";
import { EventStream } from "../sse.ts";
import { tellIgnored, UnknownFields } from "../unknown_fields.ts";
import { ResponseEvents } from "./events.ts";
import { addOutput } from "./items.ts";
import { begunResponse, type ResponseObject } from "./reply.ts";
import { readResponses } from "./request.ts";
import { ResponseStore } from "./store.ts";

export function responseRoutes(app: Router, { strict, heartbeatMs, limits }: CompletionOptions): void {
  const stores = new Map<string, ResponseStore>();
  /** Each key has its own: nobody reads what another was answered. */
  const storeOf = ({ caller }: HttpRequest): ResponseStore => {
    const owner = caller.identity.key?.id ?? "";
    const store = stores.get(owner) ?? new ResponseStore();
    stores.set(owner, store);
    return store;
  };

  app.post("/v1/responses", async (request, reply) => {
    const unknown = new UnknownFields(strict);
    const store = storeOf(request);
    const { engine } = request;
    const served = await servedModel(request);
    const asked = readResponses(request.body, served, store, unknown);
    tellIgnored(reply, unknown);
    const abort = new AbortController();
    // A client that goes away frees what it had.
    reply.raw.on("close", () => abort.abort());
    const [run] = await startRuns(engine, [asked.request], abort);
    const tokenizer = engine.tokenizerOf(asked.request);
    const events = new ResponseEvents(tokenizer, begunResponse(asked.echoed), thinks(tokenizer.chatTemplate));
    const keep = (response: ResponseObject) => {
      if (asked.echoed.store && !abort.signal.aborted)
        store.put({ response, conversation: after(asked.conversation, response) });
    };
    if (!asked.stream) {
      const response = await play(run, events);
      keep(response);
      return response;
    }
    reply.hijack();
    const sink = new EventStream(reply.raw, {}, limits, heartbeatMs);
    await streamed(run, events, sink, abort, keep);
    return undefined;
  });

  app.get("/v1/responses/*", (request) => {
    const id = request.params["*"];
    const stored = storeOf(request).get(id);
    if (stored === undefined) throw missing(id);
    return stored.response;
  });

  app.delete("/v1/responses/*", (request) => {
    const id = request.params["*"];
    if (!storeOf(request).delete(id)) throw missing(id);
    return { id, object: "response", deleted: true };
  });
}

/** Runs to the end; `tell` gets the events on the way. */
async function play(
  { accepted, events: generation }: Run,
  events: ResponseEvents,
  tell: (events: ReturnType<ResponseEvents["begin"]>) => Promise<void> = async () => {},
): Promise<ResponseObject> {
  await tell(events.begin(accepted.thinks === true));
  for await (const event of generation) {
    if (event.type === "token") {
      await tell(events.token(event));
      continue;
    }
    const { events: last, response } = events.end(event);
    await tell(last);
    return response;
  }
  throw new MoloraError("internal", "the generation ended without a result");
}

async function streamed(
  run: Run,
  events: ResponseEvents,
  sink: EventStream,
  abort: AbortController,
  keep: (response: ResponseObject) => void,
): Promise<void> {
  const send = async (told: ReturnType<ResponseEvents["begin"]>) => {
    for (const event of told) {
      // Kept before the client can know its end, and may go on from it.
      if (event.type === "response.completed" || event.type === "response.incomplete") {
        keep(event.response as ResponseObject);
      }
      await sink.send(event, event.type);
    }
  };
  try {
    await play(run, events, send);
  } catch (thrown) {
    abort.abort();
    await send([events.fail(MoloraError.from(thrown))]);
  }
  sink.end();
}

/** The conversation with the answer. */
function after(conversation: readonly ChatMessage[], { output }: ResponseObject): ChatMessage[] {
  const messages = [...conversation];
  for (const item of output) addOutput(messages, item);
  return messages;
}

function missing(id: string): MoloraError {
  return new MoloraError("unknown_request", `there is no response ${JSON.stringify(id.slice(0, 64))}`, {
    remedy: "Responses are kept in memory, for a while, unless `store` is false.",
  });
}
