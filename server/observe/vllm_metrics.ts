// The same facts under the names that vLLM gives them, for those that schedule by these: llm-d, the inference extension of
// Kubernetes' gateway. Names and labels: vLLM, "Production Metrics"; the gateway's Model Server Protocol.

import { Counter, Histogram, type Registry } from "prom-client";
import type { DoneEvent, GenerateRequest } from "../../proto/api.ts";
import { modelIds } from "../model_ids.ts";
import type { HttpEngine } from "../port.ts";
import { counts, labelled } from "./instruments.ts";
import type { Observation, Observer } from "./observer.ts";
import { onceATurn } from "./once_a_turn.ts";

const FIRST_TOKEN = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
];
const INTER_TOKEN = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];
const REQUEST = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];
const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
/** vLLM's name of a finish reason. */
const REASONS = { stop: "stop", length: "length", cancelled: "abort" } as const;

/** Requests that are open, with the models they name beside the base. */
interface Open {
  models: string[];
  started: boolean;
}

export class VllmMetrics implements Observer {
  readonly #engine: HttpEngine;
  readonly #base: string;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #open = new Set<Open>();
  readonly #observe: Record<"firstToken" | "interToken" | "total" | "queued" | "prompt" | "generated", Histogram>;
  readonly #succeeded: Counter;

  /** `base`: the name of the base as a model. */
  constructor(registry: Registry, engine: HttpEngine, base: string) {
    this.#engine = engine;
    this.#base = base;
    this.#labels = { model_name: base, engine: "0" };
    const shared = { labelNames: Object.keys(this.#labels), registers: [registry] };
    const histogram = (name: string, help: string, buckets: number[]) =>
      new Histogram({ name: `vllm:${name}`, help, buckets, ...shared });
    this.#observe = {
      firstToken: histogram("time_to_first_token_seconds", "From a request's arrival to its first token", FIRST_TOKEN),
      interToken: histogram("inter_token_latency_seconds", "Between a request's tokens", INTER_TOKEN),
      total: histogram("e2e_request_latency_seconds", "From a request's arrival to its end", REQUEST),
      queued: histogram("request_queue_time_seconds", "From a request's arrival to its first step", REQUEST),
      prompt: histogram("request_prompt_tokens", "Tokens of a request's prompt", TOKENS),
      generated: histogram("request_generation_tokens", "Tokens generated for a request", TOKENS),
    };
    this.#succeeded = new Counter({
      name: "vllm:request_success_total",
      help: "Requests ended, by finish reason",
      labelNames: [...shared.labelNames, "finished_reason"],
      registers: [registry],
    });
    this.#registerPicture(registry);
  }

  begin(request: GenerateRequest, _caller: unknown, start: number): Observation {
    const open: Open = { models: modelIds(this.#base, request), started: false };
    let previous: number | undefined;
    const seconds = (now: number) => (now - (previous ?? start)) / 1000;
    return {
      accepted: () => this.#open.add(open),
      token: (_token, now) => {
        this.#observe[open.started ? "interToken" : "firstToken"].observe(this.#labels, seconds(now));
        open.started = true;
        previous = now;
      },
      done: (done, now) => this.#ended(done, (now - start) / 1000),
      ended: () => this.#open.delete(open),
    };
  }

  #ended({ finishReason, timings, usage }: DoneEvent, seconds: number): void {
    this.#succeeded.inc({ ...this.#labels, finished_reason: REASONS[finishReason] });
    if (finishReason === "cancelled") return;
    this.#observe.total.observe(this.#labels, seconds);
    this.#observe.queued.observe(this.#labels, timings.queued);
    this.#observe.prompt.observe(this.#labels, usage.promptTokens);
    this.#observe.generated.observe(this.#labels, usage.completionTokens);
  }

  #registerPicture(registry: Registry): void {
    const engine = this.#engine;
    const stats = onceATurn(() => engine.stats());
    const { gauge, counter } = counts(registry, stats, this.#labels);
    gauge("vllm:num_requests_running", "Requests in the batch", ({ running }) => running);
    gauge("vllm:num_requests_waiting", "Requests in the queue", ({ waiting }) => waiting);
    // What others can have at once counts as free: beginnings kept for later, adapters nobody uses.
    gauge(
      "vllm:kv_cache_usage_perc",
      "Share of the pool's pages in use, 0 to 1",
      ({ pagesTotal, pagesFree, pagesIdle = 0 }) => 1 - (pagesFree + pagesIdle) / pagesTotal,
    );
    counter("vllm:prompt_tokens_total", "Prompt tokens computed", ({ promptTokens }) => promptTokens);
    counter("vllm:generation_tokens_total", "Tokens generated", ({ generatedTokens }) => generatedTokens);
    counter("vllm:num_preemptions_total", "Requests put back in line", ({ preemptions }) => preemptions);
    const { sequences, blocks, blockTokens } = engine.capacity;
    const cache = { block_size: String(blockTokens), num_gpu_blocks: String(blocks), engine: "0" };
    labelled(registry, "vllm:cache_config_info", "The pool in blocks of vLLM's kind", Object.keys(cache), (set) =>
      set(cache, 1),
    );
    const adapters = ["max_lora", "running_lora_adapters", "waiting_lora_adapters"];
    labelled(
      registry,
      "vllm:lora_requests_info",
      "Models that requests hold; the value is the time",
      adapters,
      (set) => {
        const labels = { max_lora: String(sequences), ...this.#adapterLabels(stats().waiting) };
        set(labels, Date.now() / 1000);
      },
    );
  }

  /** Which of those without a token yet wait, and which are in the batch, is not told: none of them waits where nobody does. */
  #adapterLabels(waiting: number): Record<"running_lora_adapters" | "waiting_lora_adapters", string> {
    const named = (open: readonly Open[]) => new Set(open.flatMap(({ models }) => models));
    const all = [...this.#open];
    const running = named(all.filter(({ started }) => started || waiting === 0));
    const rest = [...named(all)].filter((model) => !running.has(model));
    return { running_lora_adapters: [...running].join(","), waiting_lora_adapters: rest.join(",") };
  }
}
