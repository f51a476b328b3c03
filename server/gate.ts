// Whether requests are still taken: what a server says no to while it drains, and how it ends what does not end by itself.

import type { GenerateOptions, GenerateRequest, GenerationEvent } from "../proto/api.ts";
import { MoloraError } from "../proto/errors.ts";
import { type HttpEngine, withMethods } from "./port.ts";

export class Gate {
  /** The engine behind the gate. */
  readonly engine: HttpEngine;
  readonly #inner: HttpEngine;
  readonly #running = new Set<AbortController>();
  #closed: MoloraError | undefined;
  #onIdle: () => void = () => {};

  constructor(engine: HttpEngine) {
    this.#inner = engine;
    this.engine = withMethods(engine, { generate: (request, options) => this.#pass(request, options) });
  }

  /** Why no request is taken, if so: the server is closing, or the engine ended. */
  get closed(): MoloraError | undefined {
    return this.#closed ?? this.#inner.closed;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Takes no more. Resolves once all that run have ended, after `ms` milliseconds at the latest. */
  async drain(ms: number): Promise<void> {
    this.#closed ??= new MoloraError("engine_closed", "the server is closing", { remedy: "Connect again later." });
    if (ms > 0) await this.#idle(ms);
  }

  /** Ends those that still run, with `engine_closed`. Resolves when they were told, after `ms` milliseconds at the latest. */
  async cut(ms: number): Promise<void> {
    for (const request of this.#running) request.abort();
    await this.#idle(ms);
    // Who reads a generation says its last word after the generation's end, in the same turn.
    await new Promise((resolve) => setImmediate(resolve));
  }

  async #idle(ms: number): Promise<void> {
    if (this.#running.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async *#pass(request: GenerateRequest, options: GenerateOptions = {}): AsyncGenerator<GenerationEvent, void> {
    if (this.#closed !== undefined) throw this.#closed;
    const own = new AbortController();
    const abort = () => own.abort();
    if (options.signal?.aborted) abort();
    options.signal?.addEventListener("abort", abort, { once: true });
    this.#running.add(own);
    try {
      for await (const event of this.#inner.generate(request, { ...options, signal: own.signal })) {
        const cut = own.signal.aborted && options.signal?.aborted !== true;
        if (event.type === "done" && event.finishReason === "cancelled" && cut) throw this.#closed;
        yield event;
      }
    } finally {
      options.signal?.removeEventListener("abort", abort);
      this.#running.delete(own);
      if (this.#running.size === 0) this.#onIdle();
    }
  }
}
