// Everything on one port: the WebSocket stream, OpenAI's HTTP, health and metrics, of one engine.
// An application can serve its own engine with it.

import { Gate } from "../gate.ts";
import { resolveLimits } from "../limits.ts";
import { Metrics } from "../metrics.ts";
import type { HttpEngine } from "../port.ts";
import { publicEngine } from "../public_engine.ts";
import { type RunningServer, type ServerOptions, startServer } from "../server.ts";
import { type HttpOptions, httpApp } from "./app.ts";

export type { ServerLimits } from "../limits.ts";
export type { HttpEngine } from "../port.ts";
export type { ErrorHandler, Handler, Hook, HttpReply, HttpRequest, Payload, Router, RouterOptions } from "./router.ts";

export interface ServeOptions extends Omit<ServerOptions, "httpHandler">, HttpOptions {}

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
  const metrics = new Metrics(gate.engine);
  const app = await httpApp(metrics.engine, metrics, { ...options, closed: () => gate.closed });
  const server = await startServer(metrics.engine, { ...options, httpHandler: app.handler });
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
      await gate.drain(drainMs);
      await gate.cut(resolveLimits(options.limits).closeMs);
      await server.close();
    },
  };
}
