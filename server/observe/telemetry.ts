// Traces and metrics for OpenTelemetry, by its conventions for generative AI (gen_ai.*, of a model server).
// Where the application has registered no SDK, and where the package is not installed, nothing is recorded.

import type { Attributes, Histogram, TextMapGetter } from "@opentelemetry/api";
import type { DoneEvent, GenerateRequest } from "../../proto/api.ts";
import type { Caller } from "../caller.ts";
import { modelIds } from "../model_ids.ts";
import type { Observation, Observer } from "./observer.ts";

type Api = typeof import("@opentelemetry/api");

/** Bounds of the histograms, in seconds: GenAI metrics, "Generative AI model server metrics". */
const REQUEST = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_TOKEN = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const OUTPUT_TOKEN = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];

const HEADERS: TextMapGetter<Caller["headers"]> = {
  keys: (headers) => Object.keys(headers),
  get: (headers, name) => headers[name.toLowerCase()],
};

export class Telemetry implements Observer {
  readonly #api: Api;
  readonly #base: string;
  readonly #metrics: Record<"request" | "firstToken" | "outputToken", Histogram>;

  private constructor(api: Api, base: string) {
    this.#api = api;
    this.#base = base;
    const meter = api.metrics.getMeter("molora");
    const histogram = (name: string, description: string, explicitBucketBoundaries: number[]) =>
      meter.createHistogram(`gen_ai.server.${name}`, { description, unit: "s", advice: { explicitBucketBoundaries } });
    this.#metrics = {
      request: histogram("request.duration", "Until a request's last token", REQUEST),
      firstToken: histogram("time_to_first_token", "Until a request's first token", FIRST_TOKEN),
      outputToken: histogram("time_per_output_token", "A token after the first, on average", OUTPUT_TOKEN),
    };
  }

  /** Undefined where no SDK was registered before. `base`: the name of the base as a model. */
  static async open(base: string): Promise<Telemetry | undefined> {
    const api = await import("@opentelemetry/api").catch(() => undefined);
    return api !== undefined && registered(api) ? new Telemetry(api, base) : undefined;
  }

  begin(request: GenerateRequest, caller: Caller, start: number): Observation {
    const { trace, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode } = this.#api;
    const common = this.#attributes(request);
    const span = trace
      .getTracer("molora")
      .startSpan(
        `${common["gen_ai.operation.name"]} ${common["gen_ai.request.model"]}`,
        { kind: SpanKind.SERVER, attributes: { ...common, ...asked(request, caller) } },
        propagation.extract(ROOT_CONTEXT, caller.headers, HEADERS),
      );
    let first: number | undefined;
    return {
      token: (_token, now) => {
        if (first !== undefined) return;
        first = now;
        span.addEvent("gen_ai.first_token");
      },
      done: (done, now) => {
        span.setAttributes(answered(done));
        if (done.finishReason !== "cancelled") this.#measure(common, done, start, first ?? now, now);
      },
      ended: (outcome, now, error) => {
        const failed = error === undefined ? {} : { "error.type": error.code };
        if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
        if (error !== undefined || outcome === "cancelled") span.setAttribute("error.type", outcome);
        this.#metrics.request.record((now - start) / 1000, { ...common, ...failed });
        span.end();
      },
    };
  }

  #measure(common: Attributes, { usage }: DoneEvent, start: number, first: number, end: number): void {
    this.#metrics.firstToken.record((first - start) / 1000, common);
    const further = usage.completionTokens - 1;
    if (further > 0) this.#metrics.outputToken.record((end - first) / 1000 / further, common);
  }

  #attributes(request: GenerateRequest): Attributes {
    const models = modelIds(this.#base, request);
    return {
      "gen_ai.operation.name": request.messages === undefined ? "text_completion" : "chat",
      "gen_ai.provider.name": "molora",
      "gen_ai.request.model": models.length === 1 ? models[0] : this.#base,
      "gen_ai.response.model": this.#base,
    };
  }
}

function asked(request: GenerateRequest, { id, identity, transport }: Caller): Attributes {
  const { maxTokens, temperature, topP, topK, seed, stop, adapters } = request;
  const given = Object.entries({
    "gen_ai.request.max_tokens": maxTokens,
    "gen_ai.request.temperature": temperature,
    "gen_ai.request.top_p": topP,
    "gen_ai.request.top_k": topK,
    "gen_ai.request.seed": seed,
    "gen_ai.request.stop_sequences": stop,
    "molora.adapters": adapters?.map(({ id, weight }) => `${id}=${weight}`),
    "molora.key": identity.key?.id,
  }).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), "molora.request": id, "network.protocol.name": transport };
}

function answered({ usage, timings, finishReason, generations, agreement }: DoneEvent): Attributes {
  return {
    ...(agreement === undefined ? {} : { "molora.sign_agreement": agreement }),
    "gen_ai.usage.input_tokens": usage.promptTokens,
    "gen_ai.usage.output_tokens": usage.completionTokens,
    "gen_ai.response.finish_reasons": [finishReason],
    "molora.queued_seconds": timings.queued,
    "molora.generations": generations.map(({ kind, name, hash }) => `${kind} ${name} ${hash.slice(0, 12)}`),
  };
}

/** Whether an SDK stands behind the API: else its tracers lead nowhere, and its meters are of the kind that does nothing. */
function registered({ trace, metrics, ProxyTracerProvider, createNoopMeter }: Api): boolean {
  const tracers = trace.getTracerProvider();
  const traces = !(tracers instanceof ProxyTracerProvider) || tracers.getDelegateTracer("molora") !== undefined;
  return traces || metrics.getMeter("molora").constructor !== createNoopMeter().constructor;
}
