// Adapters and mixtures on first use: whoever asks for a name that is not in memory waits for it alone, and all who ask for it
// wait for one load. What is running does not wait.

import type { AbortLike, DiskReport, GenerateRequest } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { NameSources } from "../host.ts";
import type { Usage } from "../memory/usage.ts";
import { type Asked, inVain } from "./asked.ts";
import type { Library } from "./library.ts";
import { Line } from "./line.ts";
import type { Registry } from "./registry.ts";
import type { Shelf } from "./shelf.ts";

/** Names that are read at the same time: enough to cover the way to a remote place, few enough to leave the step its core. */
const AT_ONCE = 4;

export interface DemandParts {
  registry: Registry;
  library: Library;
  shelf: Shelf;
  usage: Usage;
  sources: NameSources | undefined;
  /** Requests that may wait for a load. */
  maxWaiting: number;
}

export interface DemandStats {
  /** Requests that wait for a load now. */
  waiting: number;
  /** Names that were looked for since the engine started, and how many of them failed. */
  loads: number;
  failures: number;
  /** Seconds they took, in all. */
  seconds: number;
}

export class Demand {
  readonly #parts: DemandParts;
  /** Requests that wait, by name. */
  readonly #waitingFor = new Map<string, number>();
  /** Loads under way, by name. They begin in the order of asking, so that requests in line fetch ahead of their turn. */
  readonly #loading = new Map<string, Promise<void>>();
  readonly #line = new Line(AT_ONCE);
  readonly #stats: DemandStats = { waiting: 0, loads: 0, failures: 0, seconds: 0 };

  constructor(parts: DemandParts) {
    this.#parts = parts;
  }

  /** What of the sources is kept on a disk. */
  get disk(): DiskReport | undefined {
    return this.#parts.sources?.disk;
  }

  get stats(): Readonly<DemandStats> {
    return this.#stats;
  }

  /** The request with names in the place of addresses. @throws MoloraError `bad_arguments` */
  named(request: GenerateRequest): GenerateRequest {
    const { sources } = this.#parts;
    if (sources === undefined) return request;
    const { adapter, adapters, mixture } = request;
    return {
      ...request,
      ...(adapter === undefined ? {} : { adapter: sources.nameOf(adapter) }),
      ...(adapters === undefined ? {} : { adapters: adapters.map((one) => ({ ...one, id: sources.nameOf(one.id) })) }),
      ...(mixture === undefined ? {} : { mixture: sources.nameOf(mixture) }),
    };
  }

  /** Whether all that a request names is in memory. Asked and acted upon in one turn, it stays true. */
  isReady(request: GenerateRequest): boolean {
    const texts = textsOf(request);
    const ready = texts.every((text) => this.#parts.registry.has(this.nameOf(text)));
    if (ready) for (const text of texts) this.#parts.usage.touch(this.nameOf(text));
    return ready;
  }

  /**
   * Waits until all that a request names is in memory; what no source has stays unknown, for admission to say so.
   *
   * @throws MoloraError `queue_full`, `cancelled`, and what reading it throws
   */
  async ready(request: GenerateRequest, signal?: AbortLike): Promise<void> {
    const missing = textsOf(request).filter((text) => !this.#parts.registry.has(this.nameOf(text)));
    if (missing.length === 0) return;
    const names = missing.map((text) => this.nameOf(text));
    this.#checkRoom(names);
    this.#count(names, 1);
    try {
      await orCancelled(missing.length === 1 ? this.load(missing[0]) : this.#gather(request), signal);
    } finally {
      this.#count(names, -1);
    }
  }

  /** Half of those who may wait may wait for one name, so that a place that hangs does not hold up what comes from others. */
  #checkRoom(names: readonly string[]): void {
    const { maxWaiting } = this.#parts;
    const most = Math.ceil(maxWaiting / 2);
    const full = names.find((name) => (this.#waitingFor.get(name) ?? 0) >= most);
    if (full === undefined && this.#stats.waiting < maxWaiting) return;
    const what = full === undefined ? "adapters" : `"${full}"`;
    const count = full === undefined ? this.#stats.waiting : most;
    throw new MoloraError("queue_full", `${count} requests wait for ${what} already`, { remedy: "Try again later." });
  }

  #count(names: readonly string[], by: 1 | -1): void {
    this.#stats.waiting += by;
    for (const name of names) {
      const count = (this.#waitingFor.get(name) ?? 0) + by;
      if (count === 0) this.#waitingFor.delete(name);
      else this.#waitingFor.set(name, count);
    }
  }

  /**
   * All names of a stack, none of which gives way to another of them. No other load runs meanwhile: one that waits for the room
   * which the stack holds, while the stack waits for it, would wait for ever.
   */
  #gather(request: GenerateRequest): Promise<void> {
    const texts = textsOf(request);
    if (this.#parts.shelf.budget === undefined) return Promise.all(texts.map((text) => this.load(text))).then(() => {});
    return this.#line.alone(async () => {
      this.#parts.shelf.gather(texts.map((text) => this.nameOf(text)));
      try {
        for (const text of texts) await this.#load(text, this.nameOf(text));
      } finally {
        this.#parts.shelf.gather([]);
      }
    });
  }

  /** Sees that a name, or an address, is in memory, if it can be. Joins a load of it that is under way. */
  load(text: string): Promise<void> {
    const name = this.nameOf(text);
    const known = this.#loading.get(name);
    if (known !== undefined) return known;
    const loading = this.#line.together(() => this.#load(text, name)).finally(() => this.#loading.delete(name));
    this.#loading.set(name, loading);
    return loading;
  }

  async #load(text: string, name: string): Promise<void> {
    const { registry, library, sources } = this.#parts;
    if (registry.has(name)) return;
    const begun = performance.now();
    this.#stats.loads++;
    try {
      if (await library.recall(name)) return;
      const found = await sources?.find(text);
      if (found !== undefined) await library.keepFound(name, found);
      else this.#stats.failures++;
    } catch (thrown) {
      this.#stats.failures++;
      throw thrown;
    } finally {
      this.#stats.seconds += (performance.now() - begun) / 1000;
    }
  }

  /** Where a name that nobody has loaded is looked for. */
  asked(text: string): Asked {
    return this.#parts.sources?.asked(text) ?? { places: [], againMs: 0 };
  }

  /** The error, with the places that were asked where a name of the request is unknown. */
  explained(thrown: unknown, request: GenerateRequest): unknown {
    if (!MoloraError.is(thrown) || !["unknown_adapter", "unknown_mixture"].includes(thrown.code)) return thrown;
    const unknown = textsOf(request).find((text) => !this.#parts.registry.has(this.nameOf(text)));
    const asked = this.asked(unknown ?? "");
    if (unknown === undefined || asked.places.length === 0) return thrown;
    const { code, message, remedy = "", details } = thrown;
    return new MoloraError(code, message, {
      remedy: `${remedy}${inVain(asked)}`,
      details: { ...details, asked: asked.places },
      cause: thrown,
    });
  }

  /** The name under which something is loaded: `text` itself, or one made of an address. */
  nameOf(text: string): string {
    return this.#parts.sources?.nameOf(text) ?? text;
  }
}

/** Every name of a request, each once. */
function textsOf({ adapter, adapters = [], mixture }: GenerateRequest): string[] {
  return [...new Set([adapter, ...adapters.map(({ id }) => id), mixture].filter((text) => text !== undefined))];
}

async function orCancelled(work: Promise<unknown>, signal: AbortLike | undefined): Promise<void> {
  if (signal === undefined) {
    await work;
    return;
  }
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(new MoloraError("cancelled", "the request was cancelled before it began"));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
  });
  work.catch(() => {}); // others may wait for it still
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
