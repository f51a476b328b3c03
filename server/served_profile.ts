// One engine behind a port, with its gate, its metrics and what observes it. One that is lazy is opened when somebody asks for it,
// and may be closed again while nobody does.

import { MoloraError } from "../proto/errors.ts";
import type { Caller } from "./caller.ts";
import { Gate } from "./gate.ts";
import { scopedEngine } from "./keys/scoped_engine.ts";
import { Journal, type JournalOptions } from "./observe/journal.ts";
import { Metrics } from "./observe/metrics.ts";
import { observedEngine } from "./observe/observed_engine.ts";
import type { Observer } from "./observe/observer.ts";
import { Telemetry } from "./observe/telemetry.ts";
import { VllmMetrics } from "./observe/vllm_metrics.ts";
import type { EnginePort, HttpEngine } from "./port.ts";
import type { Profile } from "./profiles.ts";
import { publicEngine } from "./public_engine.ts";
import { sleepingPort } from "./sleeping_port.ts";

/** An engine that is opened when somebody asks for it first. */
export interface LazyEngine {
  open(): Promise<HttpEngine>;
  /** Nobody uses it, and its memory is wanted, or the server closes. */
  close(engine: HttpEngine): Promise<void>;
}

export interface ServedProfileOptions {
  log?: JournalOptions | undefined;
  /** Of several: a key may be for some of them only, and metrics say which they are of. */
  scoped: boolean;
}

/** What there is of it while its engine is open. */
interface Awake {
  inner: HttpEngine;
  gate: Gate;
  metrics: Metrics;
  observers: readonly Observer[];
  /** Alerts are not heard any more. */
  unheard(): void;
}

export class ServedProfile implements Profile {
  readonly base: string;
  readonly journal: Journal;
  readonly #lazy: LazyEngine | undefined;
  readonly #scoped: boolean;
  #awake: Awake | undefined;
  #opening: Promise<Awake> | undefined;
  /** Requests that hold it open. */
  #holds = 0;
  #lastAsked = 0;
  #closing: MoloraError | undefined;

  private constructor(base: string, lazy: LazyEngine | undefined, { log, scoped }: ServedProfileOptions) {
    this.base = base;
    this.journal = new Journal(base, log);
    this.#lazy = lazy;
    this.#scoped = scoped;
  }

  static async open(
    base: string,
    engine: HttpEngine | LazyEngine,
    options: ServedProfileOptions,
  ): Promise<ServedProfile> {
    const made = new ServedProfile(base, "open" in engine ? engine : undefined, options);
    if (!("open" in engine)) made.#awake = await made.#behind(engine);
    return made;
  }

  get isOpen(): boolean {
    return this.#awake !== undefined;
  }

  /** By performance.now(); 0: never. */
  get lastAsked(): number {
    return this.#lastAsked;
  }

  get engine(): HttpEngine | undefined {
    return this.#awake?.gate.engine;
  }

  get metrics(): Metrics | undefined {
    return this.#awake?.metrics;
  }

  get running(): number {
    return this.#awake?.gate.running ?? 0;
  }

  get closed(): MoloraError | undefined {
    return this.#awake?.gate.closed ?? this.#closing;
  }

  isFor({ identity }: Caller): boolean {
    return identity.key?.mayUse(this.#scoped ? this.base : undefined) ?? true;
  }

  engineFor(caller: Caller): HttpEngine {
    if (this.#awake === undefined) throw new MoloraError("internal", `"${this.base}" is asked before it is open`);
    const { gate, observers } = this.#awake;
    const { key } = caller.identity;
    const seen = key === undefined ? gate.engine : scopedEngine(gate.engine, key, this.#scoped ? this.base : undefined);
    return observedEngine(seen, observers, caller);
  }

  /** What a connection asks that may come before the engine is open. */
  portFor(caller: Caller): EnginePort {
    if (this.#lazy === undefined) return this.engineFor(caller);
    const wake = async () => {
      const release = await this.hold();
      return { port: this.engineFor(caller), release };
    };
    return sleepingPort(this.base, wake, () => (this.isOpen ? this.engineFor(caller) : undefined));
  }

  /** Opens it where it is not, and keeps it open until what it returns is called. @throws MoloraError what opening throws, `engine_closed` */
  async hold(): Promise<() => void> {
    this.#lastAsked = performance.now();
    this.#holds++;
    let held = true;
    const release = () => {
      if (held) this.#holds--;
      held = false;
    };
    try {
      await this.#wake();
      return release;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Closes its engine, if it is lazy and nobody uses it. Whether it did. */
  async sleep(): Promise<boolean> {
    const awake = this.#awake;
    if (awake === undefined || this.#lazy === undefined || this.#holds + awake.gate.running > 0) return false;
    this.#awake = undefined;
    await this.#leave(awake);
    return true;
  }

  /** Takes no more requests; those that run have so many milliseconds. */
  async drain(ms: number): Promise<void> {
    this.#closing ??= new MoloraError("engine_closed", "the server is closing", { remedy: "Connect again later." });
    await this.#opening?.catch(() => {});
    await this.#awake?.gate.drain(ms);
  }

  /** Ends those that still run. */
  async cut(ms: number): Promise<void> {
    await this.#awake?.gate.cut(ms);
  }

  /** The server is gone. An engine that is not lazy stays open: it is its owner's. */
  async close(): Promise<void> {
    if (this.#awake === undefined) return;
    if (this.#lazy === undefined) this.#awake.unheard();
    else await this.#leave(this.#awake);
  }

  async #leave({ unheard, inner }: Awake): Promise<void> {
    unheard();
    this.journal.state("engine closed", { profile: this.base });
    await this.#lazy?.close(inner);
  }

  #wake(): Promise<Awake> {
    if (this.#awake !== undefined) return Promise.resolve(this.#awake); // its gate says whether it takes requests
    if (this.#closing !== undefined) return Promise.reject(this.#closing);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<Awake> {
    const begun = performance.now();
    const inner = await this.#lazy!.open();
    this.#awake = await this.#behind(inner);
    this.journal.state("engine opened", { profile: this.base, ms: Math.round(performance.now() - begun) });
    return this.#awake;
  }

  async #behind(inner: HttpEngine): Promise<Awake> {
    const gate = new Gate(publicEngine(inner));
    const metrics = new Metrics(gate.engine);
    if (this.#scoped) metrics.registry.setDefaultLabels({ profile: this.base });
    const vllm = new VllmMetrics(metrics.registry, gate.engine, this.base);
    const telemetry = await Telemetry.open(this.base);
    const observers = [metrics, vllm, this.journal, ...(telemetry === undefined ? [] : [telemetry])];
    const unheard = gate.engine.onAlert?.((alert) => this.journal.alert(alert)) ?? (() => {});
    return { inner, gate, metrics, observers, unheard };
  }
}
