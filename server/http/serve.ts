// Everything on one port: the WebSocket stream, OpenAI's HTTP, health and metrics, of one engine or of several by name.
// An application can serve its own engines with it.

import type { MoloraError } from "../../proto/errors.ts";
import { type Caller, requestId } from "../caller.ts";
import { resolveLimits } from "../limits.ts";
import type { JournalOptions } from "../observe/journal.ts";
import { MetricsOfAll } from "../observe/metrics_of_all.ts";
import type { HttpEngine } from "../port.ts";
import { Profiles, profileIn } from "../profiles.ts";
import { publicEngine } from "../public_engine.ts";
import { type LazyEngine, ServedProfile } from "../served_profile.ts";
import { type RunningServer, type ServerOptions, startServer } from "../server.ts";
import { type HttpOptions, httpApp } from "./app.ts";
import { baseName } from "./models.ts";
import { VERSION } from "./version.ts";

export type { Asked } from "../../engine/adapters/asked.ts";
export type { ServerLimits } from "../limits.ts";
export type { HttpEngine } from "../port.ts";
export type { LazyEngine } from "../served_profile.ts";
export type { ErrorHandler, Handler, Hook, HttpReply, HttpRequest, Payload, Router, RouterOptions } from "./router.ts";

export interface ServeOptions extends Omit<ServerOptions, "httpHandler" | "onRefused" | "refusal">, HttpOptions {
  /** What is logged, and where. Default: nothing. */
  log?: JournalOptions;
}

export interface ServedEngine extends Omit<RunningServer, "close"> {
  /** Where OpenAI's clients go: "http://127.0.0.1:8080/v1". */
  baseUrl: string;
  /** Requests that are being answered. */
  readonly running: number;
  /**
   * Takes no more requests (`/ready` and `/health` say 503 at once), waits up to `drainMs` milliseconds for those that
   * run, ends what is left with `engine_closed`, and frees the port. Default: no wait. The engine stays open.
   */
  close(options?: { drainMs?: number }): Promise<void>;
}

/** Several, of which some may not be open yet. */
export interface ServedEngines extends ServedEngine {
  /** Opens one that is not, before anybody asks for it. @throws MoloraError what opening it throws */
  open(name: string): Promise<void>;
  /** Closes lazy ones that nobody uses, the one asked for longest ago first, until it is enough. */
  release(isEnough: () => boolean): Promise<void>;
}

/** Milliseconds a client has for the headers, and for the whole of a request. */
const HEADERS_MS = 15_000;
const REQUEST_MS = 60_000;

/**
 * Serves an engine over WebSocket and HTTP until closed. The engine stays the caller's to close.
 *
 * @throws MoloraError `bad_arguments` where the port cannot be had.
 *
 * @example
 * ```ts
 * import { Engine } from "molora";
 * import { serve } from "molora/server";
 *
 * const engine = await Engine.load();
 * const server = await serve(engine, { port: 8080 });
 * console.log(server.url, server.baseUrl);
 * process.once("SIGINT", async () => {
 *   await server.close();
 *   await engine.close();
 * });
 * ```
 */
export function serve(engine: HttpEngine, options: ServeOptions = {}): Promise<ServedEngine> {
  return serveProfiles({ [baseName(publicEngine(engine), options.modelName)]: engine }, options);
}

/**
 * Serves several engines on one port, by name. Over HTTP a model's id says which is meant: `NAME` is its base, `NAME:adapter`
 * what it has loaded; `?profile=NAME` says so where no model is named, and on the stream's URL. Without it the first is meant. One
 * that is given as a `LazyEngine` is opened when somebody asks for it first.
 *
 * @throws MoloraError `bad_arguments` where the port cannot be had, or for a name that cannot be a model's id.
 *
 * @example
 * ```ts
 * const [legal, medical] = await Promise.all(["legal", "medical"].map((name) => Engine.load({ adapters: { [name]: `adapters/${name}` } })));
 * const server = await serveProfiles({ legal, medical }, { port: 8080 });
 * ```
 */
export async function serveProfiles(
  engines: Readonly<Record<string, HttpEngine | LazyEngine>>,
  options: Omit<ServeOptions, "modelName"> = {},
): Promise<ServedEngines> {
  const named = Object.entries(engines);
  const scoped = named.length > 1;
  const { log } = options;
  const profiles = new Profiles(
    await Promise.all(named.map(([base, engine]) => ServedProfile.open(base, engine, { log, scoped }))),
  );
  const { first, all } = profiles;
  const { journal } = first;
  const metrics = !scoped && first.metrics !== undefined ? first.metrics : new MetricsOfAll(all);
  const running = () => all.reduce((sum, profile) => sum + profile.running, 0);
  const reloaded = (what: "keys" | "certificate") => (error?: MoloraError) => journal.reloaded(what, error);
  const app = await httpApp({ profiles, metrics, journal }, options);
  const portFor = (caller: Caller) => profiles.named(profileIn(caller.url) ?? first.base).portFor(caller);
  const server = await startServer(portFor, {
    ...options,
    ...(options.tls === undefined ? {} : { tls: { ...options.tls, onReload: reloaded("certificate") } }),
    refusal: (request) => profiles.refusal(request),
    httpHandler: app.handler,
    onRefused: (error, request) => journal.refused(error, { id: requestId(request.headers), path: "/v1/stream" }),
  });
  options.keys?.follow(reloaded("keys"));
  journal.state("serving", { url: server.url, version: VERSION, keys: options.keys?.size });
  server.http.headersTimeout = HEADERS_MS;
  server.http.requestTimeout = REQUEST_MS;
  return {
    url: server.url,
    port: server.port,
    http: server.http,
    get sockets() {
      return server.sockets;
    },
    get running() {
      return running();
    },
    baseUrl: server.url.replace(/^ws/, "http").replace(/\/stream$/, ""),
    async close({ drainMs = 0 } = {}) {
      journal.state("closing", { running: running(), drainMs });
      options.keys?.close();
      await Promise.all(all.map((profile) => profile.drain(drainMs)));
      await Promise.all(all.map((profile) => profile.cut(resolveLimits(options.limits).closeMs)));
      await server.close();
      for (const profile of all) await profile.close();
    },
    async open(name) {
      (await profiles.named(name).hold())();
    },
    async release(isEnough) {
      const idle = all.filter(({ isOpen }) => isOpen).sort((a, b) => a.lastAsked - b.lastAsked);
      for (const profile of idle) if (!isEnough()) await profile.sleep();
    },
  };
}
