// Reads what is likely to be asked for before somebody asks, behind a server that answers already, and notes what was. What is read
// ahead takes nobody's place, and is the first to give way.

import { join } from "node:path";
import { cacheDirectory } from "../node/cache.ts";
import type { Engine } from "../node/index.ts";
import { MoloraError } from "../proto/errors.ts";
import { ExpectedNeed } from "./expected_need.ts";
import type { ProfileFlags } from "./profiles.ts";
import type { Output } from "./terminal/output.ts";

/** Milliseconds between notes. */
const EACH_MS = 60_000;

export interface Preloading {
  profiles: ReadonlyMap<string, ProfileFlags>;
  /** Engines that are open, by profile. */
  open: ReadonlyMap<string, Engine>;
  output: Pick<Output, "note">;
}

export class Preload {
  readonly #parts: Preloading;
  readonly #needs = new Map<string, ExpectedNeed>();
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  private constructor(parts: Preloading) {
    this.#parts = parts;
    this.#timer = setInterval(() => void this.#save(), EACH_MS);
    this.#timer.unref();
  }

  /** Undefined where no profile asks for it. */
  static async start(parts: Preloading): Promise<Preload | undefined> {
    if (![...parts.profiles.values()].some(({ preload }) => preload > 0)) return undefined;
    const made = new Preload(parts);
    const files = new Map<string, ExpectedNeed>();
    for (const [name, { preload, diskCache }] of parts.profiles) {
      if (preload === 0) continue;
      const path = join(diskCache ?? join(cacheDirectory(), "adapters"), "expected.json");
      const need = files.get(path) ?? (await ExpectedNeed.read(path));
      files.set(path, need);
      made.#needs.set(name, need);
    }
    return made;
  }

  /** Behind the start: opens the lazy profiles that were needed, and reads adapters of those that are open. */
  async begin(open: (profile: string) => Promise<void>): Promise<void> {
    for (const [name, engine] of [...this.#parts.open]) await this.adapters(name, engine);
    for (const name of this.lazyProfiles()) {
      if (this.#closed) return;
      try {
        await open(name);
      } catch (thrown) {
        this.#parts.output.note(`warning: ${name} is not opened ahead: ${MoloraError.from(thrown).message}`);
      }
    }
  }

  /** Lazy profiles that were needed, the one most needed first. */
  lazyProfiles(): string[] {
    return [...this.#needs]
      .map(([name, need]) => ({ name, need: need.profile(name) }))
      .filter(({ name, need }) => need > 0 && this.#parts.profiles.get(name)?.lazy)
      .sort((a, b) => b.need - a.need)
      .map(({ name }) => name);
  }

  /** Reads a profile's adapters, one after another, as long as none has to give way. How many it read. */
  async adapters(name: string, engine: Engine): Promise<number> {
    const most = this.#parts.profiles.get(name)?.preload ?? 0;
    let largest = 0;
    let read = 0;
    for (const adapter of this.#needs.get(name)?.adapters(name).slice(0, most) ?? []) {
      const { bytes, budget = Number.POSITIVE_INFINITY } = engine.tiers().host;
      if (this.#closed || engine.closed !== undefined || bytes + largest > budget) break;
      try {
        const found = await engine.findName(adapter);
        largest = Math.max(largest, found?.bytes ?? 0);
        if (found !== undefined) read++;
      } catch (thrown) {
        this.#parts.output.note(`warning: ${adapter} is not read ahead: ${MoloraError.from(thrown).message}`);
      }
    }
    return read;
  }

  /** An engine is about to be closed. */
  last(name: string, engine: Engine): void {
    this.#needs.get(name)?.note(name, engine.stats(), true);
  }

  /** Before engines are closed. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#save();
  }

  async #save(): Promise<void> {
    try {
      for (const [name, need] of this.#needs) {
        const engine = this.#parts.open.get(name);
        if (engine !== undefined) need.note(name, engine.stats());
      }
      for (const need of new Set(this.#needs.values())) await need.save();
    } catch (error) {
      this.#parts.output.note(`warning: what was asked for cannot be noted: ${(error as Error).message}`);
    }
  }
}
