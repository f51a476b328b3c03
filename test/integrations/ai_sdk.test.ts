// The AI SDK itself over molora's provider: generate, stream, abort, usage, settings, objects, an agent with a tool.
// Every test runs over the embedded engine and over WebSocket.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createProviderRegistry, generateText, Output, stepCountIs, streamText, ToolLoopAgent, tool } from "ai";
import { z } from "zod";
import { createMolora } from "../../integrations/ai_sdk/index.ts";
import { until } from "../server/connections.ts";
import { alone, BACKENDS, engine, QUESTION } from "./backends.ts";

for (const [name, backend] of BACKENDS) {
  const molora = createMolora(backend);

  test(`${name}: a routed text, with usage and metadata`, async () => {
    const result = await generateText({
      model: molora("default"),
      prompt: QUESTION,
      maxOutputTokens: 12,
      providerOptions: { molora: { trace: true } },
    });
    assert.equal(result.text, await alone({ mixture: "default", maxTokens: 12 }));
    assert.equal(result.finishReason, "length");
    assert.equal(result.usage.outputTokens, 12);
    assert.ok((result.usage.inputTokens ?? 0) > 10);
    assert.deepStrictEqual(result.warnings, []);
    const own = result.providerMetadata?.molora as { trace: unknown[][]; generations: unknown[] } | undefined;
    const { trace = [], generations = [] } = own ?? {};
    assert.deepStrictEqual([trace.length, trace[0].length, generations.length], [12, 8, 2]);
  });

  test(`${name}: models by name, settings, stops, weights`, async () => {
    const registry = createProviderRegistry({ molora });
    const shared = { prompt: QUESTION, maxOutputTokens: 16 };
    const sql = await generateText({ model: registry.languageModel("molora:nano:sql"), ...shared });
    assert.equal(sql.text, await alone({ adapter: "sql", maxTokens: 16 }));
    const sampled = await generateText({ model: molora("base"), ...shared, temperature: 0.9, topK: 20, seed: 3 });
    assert.equal(sampled.text, await alone({ temperature: 0.9, topK: 20, seed: 3, maxTokens: 16 }));
    const whole = await alone({ maxTokens: 16 });
    const stop = whole.trim().split(" ")[2];
    const stopped = await generateText({ model: molora("base"), ...shared, stopSequences: [stop] });
    assert.deepStrictEqual([stopped.text, stopped.finishReason], [whole.slice(0, whole.indexOf(stop)), "stop"]);
    const adapters = [{ id: "math", weight: 0.5 }];
    const weighted = await generateText({
      model: molora("base"),
      ...shared,
      providerOptions: { molora: { adapters } },
    });
    assert.equal(weighted.text, await alone({ adapters, maxTokens: 16 }));
    await assert.rejects(generateText({ model: molora("nothing"), ...shared }), { code: "unknown_model" });
    assert.throws(() => molora.embeddingModel("any"), { name: "AI_NoSuchModelError" });
  });

  test(`${name}: a routed stream, and one aborted half-way`, async () => {
    const streamed = streamText({ model: molora("default"), prompt: QUESTION, maxOutputTokens: 12 });
    let text = "";
    for await (const delta of streamed.textStream) text += delta;
    assert.equal(text, await alone({ mixture: "default", maxTokens: 12 }));
    assert.equal((await streamed.usage).outputTokens, 12);

    const abort = new AbortController();
    let aborted = false;
    const endless = streamText({
      model: molora("default"),
      prompt: QUESTION,
      abortSignal: abort.signal,
      maxOutputTokens: 800,
      providerOptions: { molora: { ignoreEos: true } },
      onAbort: () => {
        aborted = true;
      },
    });
    let deltas = 0;
    for await (const _ of endless.textStream) if (++deltas === 3) abort.abort();
    assert.ok(aborted);
    await until(() => engine.stats().running === 0, "for the aborted request to leave the batch");
  });

  test(`${name}: an object of a schema`, async () => {
    const { output } = await generateText({
      model: molora("sql"),
      prompt: QUESTION,
      maxOutputTokens: 100,
      output: Output.object({ schema: z.object({ table: z.enum(["singer", "concert"]), count: z.boolean() }) }),
    });
    assert.ok(["singer", "concert"].includes(output.table));
    assert.equal(typeof output.count, "boolean");
  });

  test(`${name}: an agent calls its tool and goes on with the result`, async () => {
    const asked: string[] = [];
    const weather = tool({
      description: "The weather in a city",
      inputSchema: z.object({ city: z.enum(["Oslo", "Rome"]) }),
      execute: ({ city }) => {
        asked.push(city);
        return { city, degrees: 21 };
      },
    });
    const agent = new ToolLoopAgent({
      model: molora("default"),
      tools: { weather },
      maxOutputTokens: 80,
      stopWhen: stepCountIs(2),
      // nano is far too small to choose tools by itself: its first step has to call one.
      prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "auto" }),
    });
    const { steps } = await agent.generate({ prompt: "How warm is it in Rome?" });
    assert.equal(steps.length, 2);
    assert.deepStrictEqual([steps[0].finishReason, steps[0].text], ["tool-calls", ""]);
    assert.deepStrictEqual(steps[0].toolResults[0].output, { city: asked[0], degrees: 21 });
    assert.ok(steps[1].usage.outputTokens);
  });
}
