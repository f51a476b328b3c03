// What Prometheus is told: latencies as they are met, and a picture of the engine whenever it asks.

import { Counter, Histogram, Registry } from "prom-client";
import type { EngineStats } from "../../proto/api.ts";
import type { HttpEngine } from "../port.ts";
import { registerAgreement } from "./agreement_metrics.ts";
import { counts, labelled, SECONDS } from "./instruments.ts";
import type { Observation, Observer } from "./observer.ts";
import { onceATurn } from "./once_a_turn.ts";
import { registerTiers } from "./tier_metrics.ts";

/** Adapters with a series of their own: whoever schedules by these metrics reads them twenty times a second, with thousands of names. */
const MOST_TOLD = 256;
/** No adapter can have this name. */
const OTHERS = "(others)";

export class Metrics implements Observer {
  readonly registry = new Registry();
  readonly #firstToken: Histogram;
  readonly #interToken: Histogram;
  readonly #queued: Histogram;
  readonly #requests: Counter;

  constructor(engine: HttpEngine) {
    const registers = [this.registry];
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
    registerPicture(
      this.registry,
      onceATurn(() => engine.stats()),
    );
    registerTiers(
      this.registry,
      onceATurn(() => engine.tiers()),
    );
    registerAgreement(this.registry, engine);
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }

  begin(_request: unknown, _caller: unknown, start: number): Observation {
    let previous: number | undefined;
    return {
      token: (_token, now) => {
        const histogram = previous === undefined ? this.#firstToken : this.#interToken;
        histogram.observe((now - (previous ?? start)) / 1000);
        previous = now;
      },
      done: ({ timings }) => this.#queued.observe(timings.queued),
      ended: (outcome) => this.#requests.inc({ outcome }),
    };
  }
}

/** Gauges and counters read from the engine's own counts at the moment of asking. */
function registerPicture(registry: Registry, stats: () => EngineStats): void {
  const { gauge, counter } = counts(registry, stats);
  gauge("molora_requests_running", "Requests in the batch", ({ running }) => running);
  gauge("molora_requests_waiting", "Requests in the queue", ({ waiting }) => waiting);
  counter("molora_steps_total", "Steps run", ({ steps }) => steps);
  counter("molora_prompt_tokens_total", "Prompt tokens computed", ({ promptTokens }) => promptTokens);
  counter("molora_generated_tokens_total", "Tokens generated", ({ generatedTokens }) => generatedTokens);
  counter("molora_preemptions_total", "Requests that lost their pages to older ones", ({ preemptions }) => preemptions);
  counter("molora_evictions_total", "Adapters and routers that lost their pages", ({ evictions }) => evictions);
  counter("molora_device_revivals_total", "Devices that took the place of a lost one", ({ revivals = 0 }) => revivals);
  gauge("molora_pages", "Pages of the device pool", ({ pagesTotal }) => pagesTotal);
  gauge(
    "molora_pages_free",
    "Pages of the pool that hold nothing",
    ({ pagesFree, pagesCached = 0 }) => pagesFree - pagesCached,
  );
  gauge(
    "molora_pages_prefix",
    "Pages nobody holds that keep the KV of earlier requests; given up when pages run short",
    ({ pagesCached = 0 }) => pagesCached,
  );
  gauge(
    "molora_pages_idle",
    "Pages of adapters and routers nobody uses; given up when pages run short",
    ({ pagesIdle = 0 }) => pagesIdle,
  );
  gauge(
    "molora_adapters_resident",
    "Adapters on the device",
    ({ adapters }) => adapters.filter(({ resident }) => resident).length,
  );
  // A gauge: unloading an adapter takes its count away.
  const tokensHelp = `Tokens generated with an adapter: with the ${MOST_TOLD} used most, and with all others together`;
  labelled(registry, "molora_adapter_tokens", tokensHelp, ["adapter"], (set) => {
    const { told, others } = split(stats().adapters, ({ tokens }) => tokens);
    for (const { name, tokens } of told) set({ adapter: name }, tokens);
    if (others.length === 0) return;
    set(
      { adapter: OTHERS },
      others.reduce((sum, { tokens }) => sum + tokens, 0),
    );
  });
  labelled(registry, "molora_adapter_requests_running", "Running requests that hold it", ["adapter"], (set) => {
    const { told } = split(stats().adapters, ({ running }) => running);
    for (const { name, running } of told) set({ adapter: name }, running);
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

/** Those that have a series of their own: all where they are few, else those with the most. */
function split<T>(all: readonly T[], most: (one: T) => number): { told: readonly T[]; others: readonly T[] } {
  if (all.length <= MOST_TOLD) return { told: all, others: [] };
  const sorted = [...all].sort((a, b) => most(b) - most(a));
  return { told: sorted.slice(0, MOST_TOLD), others: sorted.slice(MOST_TOLD) };
}
