// The client: one connection, many generations side by side, in Node and in browsers alike.
// `molora/client` is this file, so it imports nothing of Node.

import type {
  AdapterReport,
  EngineStats,
  GenerateOptions,
  GenerateRequest,
  GenerationEvent,
  MixtureReport,
} from "./api.ts";
import type { Codec } from "./codec.ts";
import { CODECS, type Encoding } from "./encodings.ts";
import { MoloraError } from "./errors.ts";
import { doneEvent, replyError, tokenEvents, unexpected } from "./events.ts";
import { Inbox } from "./inbox.ts";
import type { ClientMessage, Reply, ServerMessage } from "./messages.ts";
import { type PushedFiles, type PushLink, type PushOptions, pushed } from "./push.ts";
import { closeError, openSocket, platformSocket, type Socket, type SocketConstructor } from "./socket.ts";

export type * from "./api.ts";
export type { Encoding } from "./encodings.ts";
export { MoloraError } from "./errors.ts";
export type { PushedFiles, PushOptions } from "./push.ts";
export type { Socket, SocketConstructor } from "./socket.ts";

/** How to connect to a server. */
export interface ConnectOptions {
  /** Default "proto", the most compact. */
  encoding?: Encoding;
  /** The server's token: opens loading and unloading. */
  token?: string;
  /** Default: the platform's, or that of the package `ws`. */
  WebSocket?: SocketConstructor;
}

type ReplyOf<T extends Reply["type"]> = Extract<Reply, { type: T }>;

/**
 * One connection to a molora server, in Node or in a page. Requests run side by side on it.
 *
 * @example
 * ```ts
 * import { MoloraClient } from "molora/client";
 *
 * const client = await MoloraClient.connect("ws://127.0.0.1:8080/v1/stream");
 * for await (const event of client.generate({ prompt: "Add 2 and 3.", mixture: "default", maxTokens: 40 })) {
 *   process.stdout.write(event.text);
 * }
 * await client.close();
 * ```
 */
export class MoloraClient {
  readonly #socket: Socket;
  readonly #codec: Codec;
  /** Open requests by id. */
  readonly #inboxes = new Map<string, Inbox<Reply>>();
  readonly #closed: Promise<void>;
  /** Why the connection ended; undefined while it is open. */
  #ended: MoloraError | undefined;
  #nextId = 1;

  private constructor(socket: Socket, codec: Codec) {
    this.#socket = socket;
    this.#codec = codec;
    socket.addEventListener("message", ({ data }) => this.#receive(data));
    this.#closed = new Promise((resolve) => {
      socket.addEventListener("close", (event) => {
        this.#end(closeError(event));
        resolve();
      });
    });
  }

  /**
   * Connects to a server's WebSocket, `ws://HOST:PORT/v1/stream`.
   *
   * @throws MoloraError `connection_lost` where nothing answers or the server refuses, `bad_arguments` for a bad URL.
   */
  static async connect(url: string, options: ConnectOptions = {}): Promise<MoloraClient> {
    const codec = CODECS[options.encoding ?? "proto"];
    const bearer = options.token === undefined ? [] : [`molora.bearer.${base64url(options.token)}`];
    const Constructor = options.WebSocket ?? (await platformSocket());
    return new MoloraClient(await openSocket(Constructor, url, [codec.subprotocol, ...bearer]), codec);
  }

  /**
   * Streams a generation. Starts when first pulled; leaving the loop cancels it. Aborting `signal` cancels it too: the
   * stream then ends with `done`, finish reason "cancelled".
   *
   * @throws MoloraError with the code the server sent, or that of the connection's end.
   */
  async *generate(
    request: GenerateRequest,
    options: GenerateOptions = {},
  ): AsyncGenerator<GenerationEvent, void, void> {
    const { signal, onAccepted } = options;
    if (signal?.aborted) throw new MoloraError("cancelled", "the signal was aborted before the request was sent");
    const id = this.#newId();
    const inbox = this.#ask({ ...request, type: "generate", id });
    const cancel = () => this.#cancel(id);
    signal?.addEventListener("abort", cancel);
    let experts: string[] = [];
    try {
      while (true) {
        const reply = await inbox.next();
        if (reply.type === "accepted") {
          experts = reply.experts;
          const { promptTokens, generations, thinks } = reply;
          onAccepted?.({ promptTokens, generations, experts, ...(thinks === undefined ? {} : { thinks }) });
        } else if (reply.type === "token") {
          yield* tokenEvents(reply, experts);
        } else if (reply.type === "done") {
          yield doneEvent(reply);
          return;
        } else {
          throw unexpected(reply);
        }
      }
    } finally {
      signal?.removeEventListener("abort", cancel);
      // The request is still open where the consumer left early.
      cancel();
      this.#inboxes.delete(id);
    }
  }

  /** The adapters the server has loaded. */
  async adapters(): Promise<AdapterReport[]> {
    return (await this.#call({ type: "adapter_list", id: this.#newId() }, "adapters")).adapters;
  }

  /**
   * Makes the server load an adapter. `path` is relative to the server's adapter folder; default: `name`.
   *
   * @throws MoloraError `not_permitted` where the server loads nothing for this client, or what is wrong with the file.
   */
  async loadAdapter(name: string, path?: string): Promise<AdapterReport> {
    const place = path === undefined ? {} : { path };
    const reply = await this.#call({ type: "adapter_load", id: this.#newId(), name, ...place }, "loaded");
    if (reply.adapter === undefined) throw unexpected(reply);
    return reply.adapter;
  }

  /** Requests that run keep the adapter. @throws MoloraError `unknown_adapter`, `not_permitted` */
  async unloadAdapter(name: string): Promise<void> {
    await this.#call({ type: "adapter_unload", id: this.#newId(), name }, "unloaded");
  }

  /** The mixtures the server has loaded. */
  async mixtures(): Promise<MixtureReport[]> {
    return (await this.#call({ type: "mixture_list", id: this.#newId() }, "mixtures")).mixtures;
  }

  /**
   * Makes the server load a mixture. `path` is relative to the server's mixture folder; default: `name`.
   *
   * @throws MoloraError `not_permitted` where the server loads nothing for this client, or what is wrong with the file.
   */
  async loadMixture(name: string, path?: string): Promise<MixtureReport> {
    const place = path === undefined ? {} : { path };
    const reply = await this.#call({ type: "mixture_load", id: this.#newId(), name, ...place }, "loaded");
    if (reply.mixture === undefined) throw unexpected(reply);
    return reply.mixture;
  }

  /**
   * Loads an adapter or a mixture from the files of its folder, as a trainer has them in memory: in frames, each file with its
   * checksum. Nothing of it is loaded where any of it is wrong.
   *
   * @throws MoloraError `not_permitted`, `frame_too_large`, `checksum_mismatch`, `generation_mismatch`, `cancelled`, or what is
   * wrong with the files.
   *
   * @example
   * ```ts
   * const files = { "adapter_config.json": config, "adapter_model.safetensors": weights };
   * const { hash } = await client.push("fresh", files, { expectedGeneration: before });
   * ```
   */
  async push(name: string, files: PushedFiles, options: PushOptions = {}): Promise<AdapterReport | MixtureReport> {
    const link: PushLink = {
      newId: () => this.#newId(),
      ask: (message) => this.#ask(message),
      send: (message) => {
        if (this.#ended !== undefined) throw this.#ended;
        this.#socket.send(this.#codec.client.encode(message));
      },
      cancel: (id) => this.#cancel(id),
      forget: (id) => void this.#inboxes.delete(id),
    };
    return pushed(link, name, files, options);
  }

  /** Requests that run keep the mixture. @throws MoloraError `unknown_mixture`, `not_permitted` */
  async unloadMixture(name: string): Promise<void> {
    await this.#call({ type: "mixture_unload", id: this.#newId(), name }, "unloaded");
  }

  /** Counters and what is loaded, as of now. */
  async stats(): Promise<EngineStats> {
    return (await this.#call({ type: "stats", id: this.#newId() }, "stats")).stats;
  }

  /** Ends the connection. The server cancels what is open on it; loops over open requests throw `cancelled`. */
  async close(): Promise<void> {
    this.#end(new MoloraError("cancelled", "the client was closed"));
    this.#socket.close(1000);
    await this.#closed;
  }

  #newId(): string {
    return String(this.#nextId++);
  }

  #ask(message: ClientMessage): Inbox<Reply> {
    if (this.#ended !== undefined) throw this.#ended;
    const frame = this.#codec.client.encode(message);
    const inbox = new Inbox<Reply>();
    this.#inboxes.set(message.id, inbox);
    this.#socket.send(frame);
    return inbox;
  }

  async #call<T extends Reply["type"]>(message: ClientMessage, expected: T): Promise<ReplyOf<T>> {
    const reply = await this.#ask(message).next();
    this.#inboxes.delete(message.id);
    if (reply.type !== expected) throw unexpected(reply);
    return reply as ReplyOf<T>;
  }

  /** Does nothing where the request has ended, though its last message may still wait to be read. */
  #cancel(id: string): void {
    if (this.#ended === undefined && this.#inboxes.has(id)) {
      this.#socket.send(this.#codec.client.encode({ type: "cancel", id }));
    }
  }

  #receive(data: unknown): void {
    if (this.#ended !== undefined) return;
    try {
      this.#deliver(this.#codec.server.decode(data instanceof ArrayBuffer ? new Uint8Array(data) : String(data)));
    } catch (thrown) {
      // The server does not keep to the contract: nothing that follows could be trusted.
      this.#end(MoloraError.from(thrown));
      this.#socket.close(1000);
    }
  }

  #deliver(message: ServerMessage): void {
    if (message.type === "error") {
      const error = replyError(message);
      if (message.id === undefined) this.#endOnFatal(error);
      else this.#take(message.id, true)?.fail(error);
    } else {
      const last = !["accepted", "token", "received"].includes(message.type);
      this.#take(message.id, last)?.push(message);
    }
  }

  /** The inbox of a request, removed with its last message, so that late messages of a cancelled request go nowhere. */
  #take(id: string, last: boolean): Inbox<Reply> | undefined {
    const inbox = this.#inboxes.get(id);
    if (last) this.#inboxes.delete(id);
    return inbox;
  }

  /** An error without a request is about the connection, which the server ends after saying so. */
  #endOnFatal(error: MoloraError): void {
    this.#end(error);
    this.#socket.close(1000);
  }

  #end(error: MoloraError): void {
    this.#ended ??= error;
    for (const inbox of this.#inboxes.values()) inbox.fail(this.#ended);
    this.#inboxes.clear();
  }
}

/** WebSocket subprotocols take few characters; base64url keeps to them. */
function base64url(text: string): string {
  const binary = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
