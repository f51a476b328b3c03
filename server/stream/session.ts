// One connection's conversation: frames in, requests side by side, frames out, each request's troubles its own.
// It holds no socket; ws.ts hands it frames and an outbox.

import { sliced } from "../../files/slices.ts";
import type { Codec } from "../../proto/codec.ts";
import { MoloraError } from "../../proto/errors.ts";
import { errorReply, eventMessage } from "../../proto/events.ts";
import type {
  ClientMessage,
  Frame,
  GenerateMessage,
  PushDataMessage,
  PushMessage,
  ServerMessage,
} from "../../proto/messages.ts";
import type { ServerLimits } from "../limits.ts";
import type { EnginePort } from "../port.ts";
import { administrate, loadPushed, type Permissions, requireAdmin } from "./admin.ts";
import type { Outbox } from "./outbox.ts";
import { Push } from "./push.ts";

export class Session {
  readonly #engineFor: (id: string) => EnginePort;
  readonly #codec: Codec;
  readonly #outbox: Outbox;
  readonly #permissions: Permissions;
  readonly #limits: ServerLimits;
  /** Open requests by the id the client chose. */
  readonly #open = new Map<string, AbortController>();
  /** The push under way and its id: one at a time, since it is held in memory. */
  #push: { id: string; push: Push } | undefined;
  /** Frames that came while earlier ones are worked through. */
  readonly #inbox: Frame[] = [];
  #draining = false;
  #closed = false;
  /** Called whenever all frames that came have been worked through. */
  onDrained: (() => void) | undefined;

  /** `engineFor`: the engine as this connection may see it, by the id of a request. */
  constructor(
    engineFor: (id: string) => EnginePort,
    codec: Codec,
    outbox: Outbox,
    permissions: Permissions,
    limits: ServerLimits,
  ) {
    this.#engineFor = engineFor;
    this.#codec = codec;
    this.#outbox = outbox;
    this.#permissions = permissions;
    this.#limits = limits;
  }

  /**
   * A frame from the client. Never throws: what is wrong with it is answered. A burst of them is worked through in
   * slices, in order; until then `backlog` grows.
   */
  receive(frame: Frame): void {
    this.#inbox.push(frame);
    if (this.#draining) return;
    this.#draining = true;
    void sliced(this.#drain());
  }

  /** Frames not yet worked through. */
  get backlog(): number {
    return this.#inbox.length;
  }

  *#drain(): Generator<undefined, void> {
    for (let frame = this.#inbox.shift(); frame !== undefined; frame = this.#inbox.shift()) {
      this.#take(frame);
      if (this.#inbox.length > 0) yield;
    }
    this.#draining = false;
    this.onDrained?.();
  }

  #take(frame: Frame): void {
    if (this.#closed) return;
    try {
      this.#handle(this.#codec.client.decode(frame));
    } catch (thrown) {
      const error = MoloraError.from(thrown);
      this.refuse(error, error.details?.requestId);
    }
  }

  /** The connection is gone: every open request is cancelled at once. */
  close(): void {
    this.#closed = true;
    this.#outbox.close();
    for (const request of this.#open.values()) request.abort();
  }

  /** Answers with an error. It carries the id unless that is an open request's, whose stream goes on undisturbed. */
  refuse(error: MoloraError, id?: unknown): void {
    this.#say(errorReply(error, typeof id === "string" && !this.#open.has(id) ? id : undefined));
  }

  #handle(message: ClientMessage): void {
    if (message.type === "cancel") {
      this.#cancel(message.id);
      return;
    }
    if (message.type === "push_data") {
      this.#takePushed(message);
      return;
    }
    this.#checkOpen(message.id);
    void this.#run(message.id, (signal) => this.#answer(message, signal));
  }

  #answer(
    message: Exclude<ClientMessage, { type: "cancel" | "push_data" }>,
    signal: AbortSignal,
  ): Promise<ServerMessage> {
    if (message.type === "generate") return this.#generate(message, signal);
    if (message.type === "push") return this.#receive(message, signal);
    return administrate(this.#engineFor(message.id), message, this.#permissions);
  }

  /** A push from its announcement to the loaded generation. */
  async #receive(message: PushMessage, signal: AbortSignal): Promise<ServerMessage> {
    requireAdmin(this.#permissions, message.type);
    if (this.#push !== undefined) {
      throw new MoloraError("queue_full", `the push "${this.#push.id}" is under way on this connection`, {
        remedy: "Wait for its end, or open another connection.",
      });
    }
    const { maxUploadBytes } = this.#permissions;
    const push = new Push(message, { maxUploadBytes, stallMs: this.#limits.stallMs });
    this.#push = { id: message.id, push };
    try {
      signal.addEventListener("abort", () => push.end(new MoloraError("cancelled", "the push was cancelled")));
      this.#say({ type: "received", id: message.id, bytes: 0 });
      await push.whole;
      return await loadPushed(this.#engineFor(message.id), message, await push.files());
    } finally {
      this.#push = undefined;
    }
  }

  #takePushed({ id, offset, data }: PushDataMessage): void {
    if (this.#push?.id !== id) throw about("unknown_request", `no push "${id}" is under way on this connection`, id);
    const bytes = this.#push.push.take({ offset, data });
    this.#say({ type: "received", id, bytes });
  }

  /** One request from first to last: `work` resolves to the message that ends it; what it throws ends it as an error. */
  async #run(id: string, work: (signal: AbortSignal) => Promise<ServerMessage>): Promise<void> {
    const request = new AbortController();
    this.#open.set(id, request);
    let last: Frame;
    try {
      last = this.#codec.server.encode(await work(request.signal));
    } catch (thrown) {
      last = this.#codec.server.encode(errorReply(thrown, id));
    }
    // Before the last message leaves: once the client has read it, the id is free.
    this.#open.delete(id);
    this.#outbox.send(last);
  }

  #cancel(id: string): void {
    const request = this.#open.get(id);
    if (request === undefined) throw about("unknown_request", `no request "${id}" is open on this connection`, id);
    request.abort();
  }

  #checkOpen(id: string): void {
    if (this.#open.has(id)) throw about("duplicate_id", `the request "${id}" is still open on this connection`, id);
    if (this.#open.size < this.#limits.maxRequests) return;
    throw new MoloraError("queue_full", `${this.#open.size} requests are open on this connection`, {
      remedy: "Wait for one to end, or open another connection.",
      details: { requestId: id, limit: this.#limits.maxRequests },
    });
  }

  async #generate({ type: _, id, ...request }: GenerateMessage, signal: AbortSignal): Promise<ServerMessage> {
    let experts: string[] = [];
    const events = this.#engineFor(id).generate(request, {
      signal,
      onAccepted: (accepted) => {
        experts = accepted.experts;
        this.#say({ ...accepted, type: "accepted", id });
      },
    });
    for await (const event of events) {
      const message = eventMessage(id, event, experts);
      if (message.type === "done") return message;
      this.#say(message);
      // Not pulling the engine is how a slow reader slows itself, and itself only.
      await this.#outbox.room();
      if (this.#closed) break;
    }
    throw new MoloraError(this.#closed ? "cancelled" : "internal", "the generation ended without a result");
  }

  #say(message: ServerMessage): void {
    this.#outbox.send(this.#codec.server.encode(message));
  }
}

function about(code: "unknown_request" | "duplicate_id", message: string, id: string): MoloraError {
  const remedy = code === "duplicate_id" ? "Choose another id, or wait for its end." : "It may have ended already.";
  return new MoloraError(code, message, { remedy, details: { requestId: id } });
}
