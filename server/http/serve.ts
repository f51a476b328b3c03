// Everything on one port: the WebSocket stream, OpenAI's HTTP, health and metrics, of one engine or of several by name.
// An application can serve its own engines with it.

import type { MoloraError } from "../../proto/errors.ts";
import { requestId } from "../caller.ts";
import { Gate } from "../gate.ts";
import { scopedEngine } from "../keys/scoped_engine.ts";
import { resolveLimits } from "../limits.ts";
import { Journal, type JournalOptions } from "../observe/journal.ts";
import { Metrics } from "../observe/metrics.ts";
import { MetricsOfAll } from "../observe/metrics_of_all.ts";
import { observedEngine } from "../observe/observed_engine.ts";
import type { Observer } from "../observe/observer.ts";
import { Telemetry } from "../observe/telemetry.ts";
import { VllmMetrics } from "../observe/vllm_metrics.ts";
import type { HttpEngine } from "../port.ts";
import { type Profile, Profiles, profileIn } from "../profiles.ts";
import { publicEngine } from "../public_engine.ts";
import { type RunningServer, type ServerOptions, startServer } from "../server.ts";
import { type HttpOptions, httpApp } from "./app.ts";
import { baseName } from "./models.ts";
import { VERSION } from "./version.ts";

export type { ServerLimits } from "../limits.ts";
export type { HttpEngine } from "../port.ts";
export type { ErrorHandler, Handler, Hook, HttpReply, HttpRequest, Payload, Router, RouterOptions } from "./router.ts";

export interface ServeOptions
  extends Omit<ServerOptions, "httpHandler" | "engineFor" | "onRefused" | "refusal">,
    HttpOptions {
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

/** The parts of a profile that the server itself needs. */
interface Served extends Profile {
  gate: Gate;
  metrics: Metrics;
  journal: Journal;
}

/**
 * Serves several engines on one port, by name. Over HTTP a model's id says which is meant: `NAME` is its base, `NAME:adapter`
 * what it has loaded; `?profile=NAME` says so where no model is named, and on the stream's URL. Without it the first is meant.
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
  engines: Readonly<Record<string, HttpEngine>>,
  options: Omit<ServeOptions, "modelName"> = {},
): Promise<ServedEngine> {
  const named = Object.entries(engines);
  const scoped = named.length > 1;
  const profiles = new Profiles(
    await Promise.all(named.map(([base, engine]) => profile(base, engine, options, scoped))),
  );
  const { first, all } = profiles;
  const { journal } = first;
  const metrics = scoped ? new MetricsOfAll(all) : first.metrics;
  const running = () => all.reduce((sum, { gate }) => sum + gate.running, 0);
  const reloaded = (what: "keys" | "certificate") => (error?: MoloraError) => journal.reloaded(what, error);
  const app = await httpApp({ profiles, metrics, journal }, options);
  const server = await startServer(first.engine, {
    ...options,
    ...(options.tls === undefined ? {} : { tls: { ...options.tls, onReload: reloaded("certificate") } }),
    engineFor: (caller) => profiles.named(profileIn(caller.url) ?? first.base).engineFor(caller),
    refusal: (request) => profiles.refusal(request),
    httpHandler: app.handler,
    onRefused: (error, request) => journal.refused(error, { id: requestId(request.headers), path: "/v1/stream" }),
  });
  options.keys?.follow(reloaded("keys"));
  const unheard = all.map((each) => each.engine.onAlert?.((alert) => each.journal.alert(alert)));
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
      for (const stop of unheard) stop?.();
      await Promise.all(all.map(({ gate }) => gate.drain(drainMs)));
      await Promise.all(all.map(({ gate }) => gate.cut(resolveLimits(options.limits).closeMs)));
      await server.close();
    },
  };
}

/** `scoped`: a key may be for some profiles only. */
async function profile(base: string, engine: HttpEngine, options: ServeOptions, scoped: boolean): Promise<Served> {
  const gate = new Gate(publicEngine(engine));
  const metrics = new Metrics(gate.engine);
  const journal = new Journal(base, options.log);
  const observers: Observer[] = [metrics, new VllmMetrics(metrics.registry, gate.engine, base), journal];
  const telemetry = await Telemetry.open(base);
  if (telemetry !== undefined) observers.push(telemetry);
  return {
    base,
    engine: gate.engine,
    gate,
    metrics,
    journal,
    engineFor(caller) {
      const { key } = caller.identity;
      const seen = key === undefined ? gate.engine : scopedEngine(gate.engine, key, scoped ? base : undefined);
      return observedEngine(seen, observers, caller);
    },
    isFor: ({ identity }) => identity.key?.mayUse(scoped ? base : undefined) ?? true,
    get closed() {
      return gate.closed;
    },
  };
}
