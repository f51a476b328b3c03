// What Prometheus is told: latencies as they are met, and a picture of the engine whenever it asks.
// It knows nothing of HTTP; every front end's requests go through the engine it wraps.

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { EngineStats, GenerateOptions, GenerateRequest, GenerationEvent } from "../proto/api.ts";
import { MoloraError } from "../proto/errors.ts";
import type { HttpEngine } from "./port.ts";

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export class Metrics {
  /** The engine, its requests observed. */
  readonly engine: HttpEngine;
  readonly #inner: HttpEngine;
  readonly #registry = new Registry();
  readonly #firstToken: Histogram;
  readonly #interToken: Histogram;
  readonly #queued: Histogram;
  readonly #requests: Counter;

  constructor(engine: HttpEngine) {
    this.#inner = engine;
    const registers = [this.#registry];
    const histogram = (name: string, help: string) => new Histogram({ name, help, buckets: SECONDS, registers });
    this.#firstToken = histogram("molora_time_to_first_token_seconds", "From a request's arrival to its first token");
    this.#interToken = histogram("molora_inter_token_seconds", "Between a request's tokens");
    this.#queued = histogram("molora_queue_seconds", "From a request's arrival to its first step");
    this.#requests = new Counter({
      name: "molora_requests_total",
      help: "Requests ended, by finish reason or error code",
      labelNames: ["outcome"],
      registers,
    });
    registerPicture(this.#registry, () => engine.stats());
    this.engine = observed(engine, (request, options) => this.#observe(request, options));
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  async *#observe(request: GenerateRequest, options?: GenerateOptions): AsyncGenerator<GenerationEvent, void> {
    const start = performance.now();
    let previous: number | undefined;
    let outcome = "cancelled";
    try {
      for await (const event of this.#inner.generate(request, options)) {
        const now = performance.now();
        if (event.type === "done") {
          outcome = event.finishReason;
          this.#queued.observe(event.timings.queued);
        } else {
          const histogram = previous === undefined ? this.#firstToken : this.#interToken;
          histogram.observe((now - (previous ?? start)) / 1000);
          previous = now;
        }
        yield event;
      }
    } catch (thrown) {
      outcome = MoloraError.from(thrown).code;
      throw thrown;
    } finally {
      this.#requests.inc({ outcome });
    }
  }
}

/** The engine with another `generate`. */
function observed(engine: HttpEngine, generate: HttpEngine["generate"]): HttpEngine {
  return {
    generate,
    tokenizer: engine.tokenizer,
    contextLength: engine.contextLength,
    listAdapters: () => engine.listAdapters(),
    loadAdapter: (name, path) => engine.loadAdapter(name, path),
    unloadAdapter: (name) => engine.unloadAdapter(name),
    listMixtures: () => engine.listMixtures(),
    loadMixture: (name, path) => engine.loadMixture(name, path),
    unloadMixture: (name) => engine.unloadMixture(name),
    stats: () => engine.stats(),
  };
}

/** Gauges read from the engine's own counts at the moment of asking. */
function registerPicture(registry: Registry, stats: () => EngineStats): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: (stats: EngineStats) => number) => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(stats()));
      },
    });
  };
  const counter = (name: string, help: string, read: (stats: EngineStats) => number) => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read(stats()));
      },
    });
  };
  gauge("molora_requests_running", "Requests in the batch", ({ running }) => running);
  gauge("molora_requests_waiting", "Requests in the queue", ({ waiting }) => waiting);
  counter("molora_steps_total", "Steps run", ({ steps }) => steps);
  counter("molora_prompt_tokens_total", "Prompt tokens computed", ({ promptTokens }) => promptTokens);
  counter("molora_generated_tokens_total", "Tokens generated", ({ generatedTokens }) => generatedTokens);
  counter("molora_preemptions_total", "Requests that lost their pages to older ones", ({ preemptions }) => preemptions);
  counter("molora_evictions_total", "Adapters and routers that lost their pages", ({ evictions }) => evictions);
  gauge("molora_pages", "Pages of the device pool", ({ pagesTotal }) => pagesTotal);
  gauge("molora_pages_free", "Pages of the pool that hold nothing", ({ pagesFree }) => pagesFree);
  gauge(
    "molora_adapters_resident",
    "Adapters on the device",
    ({ adapters }) => adapters.filter(({ resident }) => resident).length,
  );
  // A gauge: unloading an adapter takes its count away.
  labelled(registry, "molora_adapter_tokens", "Tokens generated with an adapter", ["adapter"], (set) => {
    for (const { name, tokens } of stats().adapters) set({ adapter: name }, tokens);
  });
  labelled(registry, "molora_adapter_requests_running", "Running requests that hold it", ["adapter"], (set) => {
    for (const { name, running } of stats().adapters) set({ adapter: name }, running);
  });
  const perLayer = ["mixture", "layer", "expert"];
  labelled(registry, "molora_routing_share", "Share of a layer's choices an expert got", perLayer, (set) => {
    for (const { name: mixture, experts, layers } of stats().mixtures) {
      for (const [layer, { share }] of layers.entries()) {
        for (const [e, expert] of experts.entries()) set({ mixture, layer: String(layer), expert }, share[e]);
      }
    }
  });
  labelled(registry, "molora_routing_entropy", "Entropy of a layer's shares, in nats", perLayer.slice(0, 2), (set) => {
    for (const { name: mixture, layers } of stats().mixtures) {
      for (const [layer, { entropy }] of layers.entries()) set({ mixture, layer: String(layer) }, entropy);
    }
  });
}

type Set = (labels: Record<string, string>, value: number) => void;

/** A gauge whose labels come and go with what is loaded. */
function labelled(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  read: (set: Set) => void,
): void {
  new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      read((labels, value) => this.set(labels, value));
    },
  });
}
