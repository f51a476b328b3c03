// Server-sent events on one response: written as fast as the client reads, and cut off when it stops reading.

import type { ServerResponse } from "node:http";
import type { ServerLimits } from "../limits.ts";

/** Milliseconds without an event after which a comment tells proxies and clients that the stream lives. */
const HEARTBEAT_MS = 15_000;

export class EventStream {
  readonly #response: ServerResponse;
  readonly #limits: Pick<ServerLimits, "hardBufferBytes" | "stallMs">;
  readonly #heartbeat: NodeJS.Timeout;

  /** Sends the headers. `headers`: further ones. */
  constructor(
    response: ServerResponse,
    headers: Record<string, string>,
    limits: Pick<ServerLimits, "hardBufferBytes" | "stallMs">,
    heartbeatMs = HEARTBEAT_MS,
  ) {
    this.#response = response;
    this.#limits = limits;
    this.#heartbeat = setInterval(() => {
      // Behind a full buffer a comment would only add to it.
      if (!response.writableNeedDrain) response.write(": still here\n\n");
    }, heartbeatMs);
    response.once("close", () => clearInterval(this.#heartbeat));
    response.writeHead(200, {
      ...headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      // Proxies would collect the events otherwise.
      "x-accel-buffering": "no",
    });
    response.flushHeaders();
  }

  /** Resolves when there is room for the next: who awaits it does not outrun the reader. `event`: its name. */
  async send(data: object | "[DONE]", event?: string): Promise<void> {
    if (this.#response.destroyed) return;
    this.#heartbeat.refresh();
    const text = typeof data === "string" ? data : JSON.stringify(data);
    const name = event === undefined ? "" : `event: ${event}\n`;
    if (this.#response.write(`${name}data: ${text}\n\n`)) return;
    if (this.#response.writableLength > this.#limits.hardBufferBytes) this.#response.destroy();
    else await this.#drain();
  }

  end(): void {
    clearInterval(this.#heartbeat);
    this.#response.end();
  }

  #drain(): Promise<void> {
    const response = this.#response;
    return new Promise((resolve) => {
      const stalled = setTimeout(() => response.destroy(), this.#limits.stallMs);
      const resume = () => {
        clearTimeout(stalled);
        response.off("drain", resume);
        response.off("close", resume);
        resolve();
      };
      response.on("drain", resume);
      response.on("close", resume);
    });
  }
}
