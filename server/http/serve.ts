// Everything on one port: the WebSocket stream, OpenAI's HTTP, health and metrics, of one engine.
// An application can serve its own engine with it.

import type { MoloraError } from "../../proto/errors.ts";
import { type EngineFor, requestId } from "../caller.ts";
import { Gate } from "../gate.ts";
import { scopedEngine } from "../keys/scoped_engine.ts";
import { resolveLimits } from "../limits.ts";
import { Journal, type JournalOptions } from "../observe/journal.ts";
import { Metrics } from "../observe/metrics.ts";
import { observedEngine } from "../observe/observed_engine.ts";
import type { Observer } from "../observe/observer.ts";
import { Telemetry } from "../observe/telemetry.ts";
import { VllmMetrics } from "../observe/vllm_metrics.ts";
import type { HttpEngine } from "../port.ts";
import { publicEngine } from "../public_engine.ts";
import { type RunningServer, type ServerOptions, startServer } from "../server.ts";
import { type HttpOptions, httpApp } from "./app.ts";
import { baseName } from "./models.ts";
import { VERSION } from "./version.ts";

export type { ServerLimits } from "../limits.ts";
export type { HttpEngine } from "../port.ts";
export type { ErrorHandler, Handler, Hook, HttpReply, HttpRequest, Payload, Router, RouterOptions } from "./router.ts";

export interface ServeOptions extends Omit<ServerOptions, "httpHandler" | "engineFor" | "onRefused">, HttpOptions {
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
export async function serve(engine: HttpEngine, options: ServeOptions = {}): Promise<ServedEngine> {
  const gate = new Gate(publicEngine(engine));
  const base = baseName(gate.engine, options.modelName);
  const metrics = new Metrics(gate.engine);
  const journal = new Journal(base, options.log);
  const observers: Observer[] = [metrics, new VllmMetrics(metrics.registry, gate.engine, base), journal];
  const telemetry = await Telemetry.open(base);
  if (telemetry !== undefined) observers.push(telemetry);
  const engineFor: EngineFor = (caller) => {
    const { key } = caller.identity;
    const scoped = key === undefined ? gate.engine : scopedEngine(gate.engine, key);
    return observedEngine(scoped, observers, caller);
  };
  const reloaded = (what: "keys" | "certificate") => (error?: MoloraError) => journal.reloaded(what, error);
  const behind = { engine: gate.engine, engineFor, base, metrics, journal, closed: () => gate.closed };
  const app = await httpApp(behind, options);
  const server = await startServer(gate.engine, {
    ...options,
    ...(options.tls === undefined ? {} : { tls: { ...options.tls, onReload: reloaded("certificate") } }),
    engineFor,
    httpHandler: app.handler,
    onRefused: (error, request) => journal.refused(error, { id: requestId(request.headers), path: "/v1/stream" }),
  });
  options.keys?.follow(reloaded("keys"));
  const unheard = engine.onAlert?.((alert) => journal.alert(alert));
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
      return gate.running;
    },
    baseUrl: server.url.replace(/^ws/, "http").replace(/\/stream$/, ""),
    async close({ drainMs = 0 } = {}) {
      journal.state("closing", { running: gate.running, drainMs });
      options.keys?.close();
      unheard?.();
      await gate.drain(drainMs);
      await gate.cut(resolveLimits(options.limits).closeMs);
      await server.close();
    },
  };
}
