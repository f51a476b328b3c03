// Server-sent events on one response: written as fast as the client reads, and cut off when it stops reading.
// It knows nothing of what the events say.

import type { ServerResponse } from "node:http";
import type { ServerLimits } from "../limits.ts";

export class EventStream {
  readonly #response: ServerResponse;
  readonly #limits: Pick<ServerLimits, "hardBufferBytes" | "stallMs">;

  /** Sends the headers. `headers`: further ones. */
  constructor(
    response: ServerResponse,
    headers: Record<string, string>,
    limits: Pick<ServerLimits, "hardBufferBytes" | "stallMs">,
  ) {
    this.#response = response;
    this.#limits = limits;
    response.writeHead(200, {
      ...headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      // Proxies would collect the events otherwise.
      "x-accel-buffering": "no",
    });
    response.flushHeaders();
  }

  /** Resolves when there is room for the next: who awaits it does not outrun the reader. */
  async send(data: object | "[DONE]"): Promise<void> {
    if (this.#response.destroyed) return;
    const text = typeof data === "string" ? data : JSON.stringify(data);
    if (this.#response.write(`data: ${text}\n\n`)) return;
    if (this.#response.writableLength > this.#limits.hardBufferBytes) this.#response.destroy();
    else await this.#drain();
  }

  end(): void {
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
