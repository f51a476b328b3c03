// Everything on one port: the WebSocket stream, OpenAI's HTTP, health and metrics, of one engine.
// It knows nothing of commands; an application can serve its own engine with it.

import { Metrics } from "../metrics.ts";
import type { HttpEngine } from "../port.ts";
import { publicEngine } from "../public_engine.ts";
import { type RunningServer, type ServerOptions, startServer } from "../server.ts";
import { type HttpOptions, httpApp } from "./app.ts";

export type { ServerLimits } from "../limits.ts";
export type { HttpEngine } from "../port.ts";

export interface ServeOptions extends Omit<ServerOptions, "httpHandler">, HttpOptions {}

export interface ServedEngine extends RunningServer {
  /** Where OpenAI's clients go: "http://127.0.0.1:8080/v1". */
  baseUrl: string;
}

/** Milliseconds a client has for the headers, and for the whole of a request. */
const HEADERS_MS = 15_000;
const REQUEST_MS = 60_000;

/**
 * Serves until closed. The engine stays the caller's to close.
 * @throws MoloraError `bad_arguments` where the port cannot be had.
 */
export async function serve(engine: HttpEngine, options: ServeOptions = {}): Promise<ServedEngine> {
  const metrics = new Metrics(publicEngine(engine));
  const app = await httpApp(metrics.engine, metrics, options);
  const server = await startServer(metrics.engine, { ...options, httpHandler: app.handler });
  server.http.headersTimeout = HEADERS_MS;
  server.http.requestTimeout = REQUEST_MS;
  return {
    ...server,
    baseUrl: server.url.replace(/^ws/, "http").replace(/\/stream$/, ""),
  };
}
