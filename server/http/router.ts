// Routes by method and path on Node's own HTTP server: hooks before them, bodies read for them, errors answered after them.
// A framework would bring packages that choose their own Node; these few routes need none.

import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { type Caller, requestId } from "../caller.ts";
import type { HttpEngine } from "../port.ts";
import type { Profile } from "../profiles.ts";
import { BodyReader } from "./body.ts";

/** A request before anybody knows who sent it. */
export interface HttpHead {
  /** In logs, and in the answer's x-request-id. */
  id: string;
  raw: IncomingMessage;
  method: string;
  /** Path and query, as the client wrote them. */
  url: string;
  headers: IncomingHttpHeaders;
}

export interface HttpRequest extends HttpHead {
  caller: Caller;
  /** The engine that is meant, as the caller may see it. @throws MoloraError `unknown_model` where it means none of them */
  readonly engine: HttpEngine;
  /** The name of that engine's base as a model. */
  readonly base: string;
  /** Aborted when the client leaves before it is answered. */
  readonly signal: AbortSignal;
  /** `"*"`: what a route that ends in `*` leaves open, percent-decoded. */
  params: Readonly<Record<string, string>>;
  /** Parsed JSON; undefined unless the route takes a body. */
  body: unknown;
}

export type Payload = object | string | Uint8Array | undefined;
/** What it returns is sent, unless it has sent or hijacked the reply. */
export type Handler = (request: HttpRequest, reply: HttpReply) => Payload | Promise<Payload>;
/** Runs before the route is looked for; sends the reply to end it there. */
export type Hook = (request: HttpRequest, reply: HttpReply) => unknown;
export type ErrorHandler = (thrown: unknown, request: HttpHead, reply: HttpReply) => unknown;

/** The answer under way. */
export class HttpReply {
  readonly raw: ServerResponse;
  readonly #head: boolean;
  #hijacked = false;

  /** `head`: only headers are wanted. */
  constructor(raw: ServerResponse, head: boolean) {
    this.raw = raw;
    this.#head = head;
  }

  /** Nothing more is to be sent for the route. */
  get sent(): boolean {
    return this.#hijacked || this.raw.writableEnded;
  }

  status(code: number): this {
    this.raw.statusCode = code;
    return this;
  }

  header(name: string, value: string): this {
    this.raw.setHeader(name, value);
    return this;
  }

  headers(all: Readonly<Record<string, string>>): this {
    for (const [name, value] of Object.entries(all)) this.header(name, value);
    return this;
  }

  type(contentType: string): this {
    return this.header("content-type", contentType);
  }

  getHeaders(): OutgoingHttpHeaders {
    return this.raw.getHeaders();
  }

  /** The handler writes `raw` itself. */
  hijack(): this {
    this.#hijacked = true;
    return this;
  }

  send(payload?: Payload): this {
    const { raw } = this;
    if (raw.destroyed || raw.writableEnded) return this;
    const { type, body } = encoded(payload);
    if (type !== undefined && !raw.hasHeader("content-type")) this.type(type);
    // These two have no body by definition (RFC 9110, sections 15.3.5 and 15.4.5).
    const bodiless = raw.statusCode === 204 || raw.statusCode === 304;
    if (!bodiless) this.header("content-length", String(body.length));
    raw.end(this.#head || bodiless ? undefined : body);
    return this;
  }
}

interface Route {
  method: string;
  path: string;
  handler: Handler;
}

export interface RouterOptions {
  /** Bytes of a body. */
  bodyLimit: number;
  /** Who asks, and for what engine. Runs first; sends the reply to end it there. @throws MoloraError for those who may not. */
  admit(request: HttpHead, reply: HttpReply): Caller;
  /** Before a route's handler: what it needs of an engine that may not be open yet. What it returns is called behind the answer. */
  prepare?(request: HttpRequest): Promise<(() => void) | undefined>;
  /** Whose engine a request means. @throws MoloraError `unknown_model` */
  profileOf(request: HttpRequest): Pick<Profile, "base" | "engineFor">;
  onError: ErrorHandler;
  notFound: Handler;
}

export class Router {
  readonly #options: RouterOptions;
  readonly #bodies: BodyReader;
  readonly #exact = new Map<string, Route>();
  readonly #open: Route[] = [];
  readonly #hooks: Hook[] = [];

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#bodies = new BodyReader(options.bodyLimit);
  }

  /** HEAD is answered by it too. `path` may end in `*`. */
  get(path: string, handler: Handler): void {
    this.#add({ method: "GET", path, handler });
  }

  /** Its body is read as JSON first. */
  post(path: string, handler: Handler): void {
    this.#add({ method: "POST", path, handler });
  }

  /** Its body is the handler's to read. */
  put(path: string, handler: Handler): void {
    this.#add({ method: "PUT", path, handler });
  }

  delete(path: string, handler: Handler): void {
    this.#add({ method: "DELETE", path, handler });
  }

  onRequest(hook: Hook): void {
    this.#hooks.push(hook);
  }

  /** Never rejects. */
  readonly handle = async (raw: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "GET", url = "/", headers } = raw;
    const reply = new HttpReply(response, method === "HEAD");
    const head: HttpHead = { id: requestId(headers), raw, method, url, headers };
    try {
      reply.header("x-request-id", head.id);
      await this.#answer(head, reply);
    } catch (thrown) {
      // Too late for a status: the client must see that the answer broke off.
      if (response.headersSent) {
        response.destroy();
        return;
      }
      // What is left of a body nobody wants would be taken for the next request.
      if (!raw.complete) reply.header("connection", "close");
      this.#options.onError(thrown, head, reply);
    }
  };

  async #answer(head: HttpHead, reply: HttpReply): Promise<void> {
    const caller = this.#options.admit(head, reply);
    if (reply.sent) return;
    const { profileOf } = this.#options;
    const left = new AbortController();
    reply.raw.once("close", () => left.abort());
    const request: HttpRequest = {
      ...head,
      caller,
      get engine() {
        return profileOf(this).engineFor(caller);
      },
      get base() {
        return profileOf(this).base;
      },
      signal: left.signal,
      params: {},
      body: undefined,
    };
    for (const hook of this.#hooks) {
      await hook(request, reply);
      if (reply.sent) return;
    }
    const found = this.#find(request);
    if (found !== undefined) request.params = found.params;
    if (found?.route.method === "POST") request.body = await this.#bodies.read(request.raw);
    const release = await this.#options.prepare?.(request);
    if (release !== undefined && reply.raw.closed) release();
    else if (release !== undefined) reply.raw.once("close", release);
    const payload = await (found?.route.handler ?? this.#options.notFound)(request, reply);
    if (!reply.sent) reply.send(payload);
  }

  #add(route: Route): void {
    if (route.path.endsWith("*")) this.#open.push(route);
    else this.#exact.set(`${route.method} ${route.path}`, route);
  }

  #find({ method, url }: HttpHead): { route: Route; params: Record<string, string> } | undefined {
    const path = url.split("?", 1)[0];
    const wanted = method === "HEAD" ? "GET" : method;
    const route = this.#exact.get(`${wanted} ${path}`);
    if (route !== undefined) return { route, params: {} };
    const open = this.#open.find((each) => each.method === wanted && path.startsWith(each.path.slice(0, -1)));
    const rest = open && decoded(path.slice(open.path.length - 1));
    return open === undefined || rest === undefined ? undefined : { route: open, params: { "*": rest } };
  }
}

/** Undefined where the escapes are no UTF-8: there is nothing of that name. */
function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

function encoded(payload: Payload): { type?: string; body: Uint8Array } {
  if (payload === undefined) return { body: new Uint8Array(0) };
  if (typeof payload === "string") return { type: "text/plain; charset=utf-8", body: Buffer.from(payload) };
  if (payload instanceof Uint8Array) return { type: "application/octet-stream", body: payload };
  return { type: "application/json; charset=utf-8", body: Buffer.from(JSON.stringify(payload)) };
}
