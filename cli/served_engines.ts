// The engines of a server from their opening to their end: those that it opens at the start, and those of lazy profiles, which come and
// go with what is asked for.

import type { Engine } from "../node/index.ts";
import type { MoloraError } from "../proto/errors.ts";
import type { LazyEngine } from "../server/http/serve.ts";
import { openEngine, type ProfileFlags } from "./profiles.ts";
import type { Output } from "./terminal/output.ts";

export class ServedEngines {
  readonly #output: Output;
  readonly #open = new Map<string, Engine>();
  #end: (error: MoloraError) => void = () => {};
  /** Bytes that engines gave back when they were closed. */
  #freed = 0;
  /** Resolves, with the reason, once one of them ends that nobody closed. */
  readonly ended = new Promise<MoloraError>((resolve) => {
    this.#end = resolve;
  });
  /** Closes what can be closed, until it is enough. */
  release: (isEnough: () => boolean) => Promise<void> = async () => {};
  /** Hears of each that is open. */
  onOpen: (name: string, engine: Engine) => void = () => {};
  /** Hears of each that is about to be closed. */
  onClose: (name: string, engine: Engine) => void = () => {};

  constructor(output: Output) {
    this.#output = output;
  }

  /** Those that are open now. */
  get open(): ReadonlyMap<string, Engine> {
    return this.#open;
  }

  /** All of these; of one that is lazy, what opens it. Closes those that were opened when one cannot be. */
  async openAll(profiles: ReadonlyMap<string, ProfileFlags>): Promise<Record<string, Engine | LazyEngine>> {
    const all: Record<string, Engine | LazyEngine> = {};
    try {
      for (const [name, flags] of profiles) {
        all[name] = flags.lazy ? this.#lazy(name, flags) : await this.openOne(name, flags);
      }
      return all;
    } catch (error) {
      await this.closeAll();
      throw error;
    }
  }

  async openOne(name: string, flags: ProfileFlags): Promise<Engine> {
    const engine = await openEngine(flags, this.#output, async (missing) => {
      const before = this.#freed;
      await this.release(() => this.#freed - before >= missing);
    });
    this.#open.set(name, engine);
    void engine.ended.then((error) => {
      if (this.#open.get(name) === engine) this.#end(error);
    });
    this.onOpen(name, engine);
    return engine;
  }

  async closeAll(): Promise<void> {
    for (const name of [...this.#open.keys()]) await this.#close(name);
  }

  #lazy(name: string, flags: ProfileFlags): LazyEngine {
    return { open: () => this.openOne(name, flags), close: () => this.#close(name) };
  }

  async #close(name: string): Promise<void> {
    const engine = this.#open.get(name);
    if (engine === undefined) return;
    this.#open.delete(name);
    this.onClose(name, engine);
    this.#freed += engine.sharedBy > 1 ? engine.deviceBytes - engine.baseBytes : engine.deviceBytes;
    await engine.close();
  }
}
