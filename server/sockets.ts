// How many sockets a port has open, of whatever they speak, and the answer to those beyond the limit.

import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Server as TlsServer } from "node:tls";
import { MoloraError } from "../proto/errors.ts";

/** Sockets beyond the limit that may wait for their refusal; what comes on top is dropped unheard. */
const TO_REFUSE = 64;

export class Sockets {
  readonly #most: number;
  readonly #open = new Set<Socket>();

  constructor(server: Server, most: number) {
    this.#most = most;
    server.maxConnections = most + TO_REFUSE;
    // Over TLS a request's socket is the one inside; those that have not shaken hands yet fall under maxConnections.
    server.on(server instanceof TlsServer ? "secureConnection" : "connection", (socket: Socket) => {
      this.#open.add(socket);
      socket.once("close", () => this.#open.delete(socket));
    });
  }

  /** Open sockets, without those that were refused. */
  get size(): number {
    return this.#open.size;
  }

  /** The error for a request on a socket that is one too many; those that came before it are served. */
  refusal({ socket }: IncomingMessage): MoloraError | undefined {
    if (this.#open.size <= this.#most || [...this.#open].indexOf(socket) < this.#most) return undefined;
    this.#open.delete(socket);
    return new MoloraError("queue_full", `${this.#most} connections are open`, {
      remedy: "Close some, or try again later.",
      details: { limit: this.#most },
    });
  }
}

/** Answers with an error and closes the connection. */
export function refuseRequest(response: ServerResponse, error: MoloraError): void {
  response.writeHead(error.status, { "content-type": "application/json", connection: "close" });
  response.end(JSON.stringify({ error }));
}

/** The same to a request for an upgrade. */
export function refuseUpgrade(stream: Duplex, error: MoloraError): void {
  const body = JSON.stringify(error);
  stream.on("error", () => stream.destroy());
  stream.end(
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? "Error"}\r\nConnection: close\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
