// One listening port: an HTTP server with the WebSocket stream on it.
// Routes beside the stream come in as `httpHandler`.

import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { MoloraError } from "../proto/errors.ts";
import { checkAccess } from "./access.ts";
import type { EngineFor } from "./caller.ts";
import { resolveLimits } from "./limits.ts";
import type { EnginePort } from "./port.ts";
import { refuseRequest, Sockets } from "./sockets.ts";
import { attachStream, type StreamOptions } from "./stream/ws.ts";
import { openHttp, type TlsFiles } from "./tls.ts";

export interface ServerOptions extends StreamOptions {
  /** Default 127.0.0.1: this machine only. */
  host?: string;
  /** Default 0: any free port. */
  port?: number;
  /** Serve over TLS with this certificate. Default: none. */
  tls?: TlsFiles;
  /** Why a connection of the stream is not made, if so. Default: all that may connect do. */
  refusal?: (request: IncomingMessage) => MoloraError | undefined;
  /** Answers plain HTTP requests (an Express app, Fastify's `routing`, …). Default: says where the stream is. */
  httpHandler?: RequestListener;
}

export interface RunningServer {
  /** Of the stream: "ws://127.0.0.1:8080/v1/stream". */
  url: string;
  port: number;
  http: Server;
  /** Open sockets, of whatever they speak. */
  readonly sockets: number;
  /** Cancels every request and frees the port. The engine stays open. */
  close(): Promise<void>;
}

/**
 * `engine`: of every caller of the stream, or the one that a caller may see.
 *
 * @throws MoloraError `bad_arguments` for options that cannot be, or where the port cannot be had.
 */
export async function startServer(
  engine: EnginePort | EngineFor<EnginePort>,
  options: ServerOptions = {},
): Promise<RunningServer> {
  const { host = "127.0.0.1", port = 0, httpHandler = pointToStream } = options;
  checkAccess(options);
  const limits = resolveLimits(options.limits);
  const { http, stop } = openHttp(options.tls, (request: IncomingMessage, response: ServerResponse) => {
    const tooMany = sockets.refusal(request);
    if (tooMany === undefined) httpHandler(request, response);
    else refuseRequest(response, tooMany);
  });
  const sockets = new Sockets(http, limits.maxSockets);
  const refusal = (request: IncomingMessage) => sockets.refusal(request) ?? options.refusal?.(request);
  const engineFor = typeof engine === "function" ? engine : () => engine;
  const stream = attachStream(http, engineFor, { ...options, limits }, refusal);
  try {
    await listen(http, host, port);
  } catch (cause) {
    stop();
    await stream.close();
    throw new MoloraError("bad_arguments", `cannot listen on ${host}:${port}: ${(cause as Error).message}`, {
      remedy: "Choose another port, or 0 for any free one.",
      cause,
    });
  }
  const address = http.address() as AddressInfo;
  const shownHost = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return {
    url: `${options.tls === undefined ? "ws" : "wss"}://${shownHost}:${address.port}/v1/stream`,
    port: address.port,
    http,
    get sockets() {
      return sockets.size;
    },
    async close() {
      stop();
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      await stream.close();
      http.closeIdleConnections();
      // Answers that are being written get as long as a socket has for its last frames.
      const timer = setTimeout(() => http.closeAllConnections(), limits.closeMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

function listen(http: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once("error", reject);
    http.listen(port, host, () => {
      http.off("error", reject);
      resolve();
    });
  });
}

const pointToStream: RequestListener = (_request, response) => {
  const error = new MoloraError("bad_request", "this server speaks WebSocket", { remedy: "Connect to /v1/stream." });
  response.writeHead(426, { "content-type": "application/json", upgrade: "websocket", connection: "upgrade" });
  response.end(JSON.stringify(error));
};
