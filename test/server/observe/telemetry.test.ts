// Traces and metrics in OpenTelemetry's terms, by its own SDK with exporters in memory; and nothing without an SDK.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { metrics, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import {
  AggregationTemporality,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";
import { Telemetry } from "../../../server/observe/telemetry.ts";
import { closeEngine, post, serveNano } from "../http/http_server.ts";

after(closeEngine);

test("without an SDK there is nothing to tell", async () => {
  assert.equal(await Telemetry.open("nano"), undefined);
});

test("a span and three histograms, under the trace that the client began", async (t) => {
  const spans = new InMemorySpanExporter();
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).register();
  const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 1e8 });
  const provider = new MeterProvider({ readers: [reader] });
  metrics.setGlobalMeterProvider(provider);
  t.after(() => provider.shutdown());

  const { baseUrl } = await serveNano(t);
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const chat = { model: "nano:sql", messages: [{ role: "user", content: "Hi" }], max_tokens: 4, temperature: 0 };
  await post(`${baseUrl}/chat/completions`, chat, { traceparent, "x-request-id": "traced" });
  await post(`${baseUrl}/completions`, { model: "nano", prompt: "x".repeat(100_000), max_tokens: 1 });

  const [done, failed] = spans.getFinishedSpans();
  assert.equal(done.name, "chat nano:sql");
  assert.equal(done.kind, SpanKind.SERVER);
  assert.equal(done.spanContext().traceId, "0af7651916cd43dd8448eb211c80319c");
  assert.equal(done.parentSpanContext?.spanId, "b7ad6b7169203331");
  const of = (name: string) => done.attributes[name];
  assert.deepEqual(
    ["operation.name", "provider.name", "request.model", "response.model", "request.max_tokens"].map((n) =>
      of(`gen_ai.${n}`),
    ),
    ["chat", "molora", "nano:sql", "nano", 4],
  );
  assert.ok(Number(of("gen_ai.usage.input_tokens")) > 0);
  assert.ok(Number(of("gen_ai.usage.output_tokens")) > 0);
  assert.equal(of("molora.request"), "traced");
  assert.ok((of("molora.generations") as string[]).some((name) => name.startsWith("adapter sql ")));
  assert.equal(failed.name, "text_completion nano");
  assert.equal(failed.status.code, SpanStatusCode.ERROR);
  assert.equal(failed.attributes["error.type"], "prompt_too_long");
  assert.ok(!JSON.stringify([done.attributes, failed.attributes]).includes("xxxx"), "prompts stay out");

  await reader.forceFlush();
  const found = measured.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
  const counts = (name: string) =>
    found
      .find(({ descriptor }) => descriptor.name === `gen_ai.server.${name}`)!
      .dataPoints.map(({ value, attributes }) => [(value as Histogram).count, attributes["error.type"]]);
  assert.deepEqual(counts("request.duration"), [
    [1, undefined],
    [1, "prompt_too_long"],
  ]);
  assert.deepEqual(counts("time_to_first_token"), [[1, undefined]]);
  assert.deepEqual(counts("time_per_output_token"), [[1, undefined]]);
});
