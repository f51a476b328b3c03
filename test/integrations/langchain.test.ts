// LangChain itself over molora's chat model: invoke, stream, abort, usage, settings, chains, tool calls, objects.
// Every test runs over the embedded engine and over WebSocket.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type AIMessageChunk, HumanMessage, ToolMessage, type UsageMetadata } from "@langchain/core/messages";
import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { tool } from "@langchain/core/tools";
import { z } from "zod";
import { ChatMolora } from "../../integrations/langchain/index.ts";
import { until } from "../server/connections.ts";
import { alone, BACKENDS, engine, QUESTION } from "./backends.ts";

for (const [name, backend] of BACKENDS) {
  test(`${name}: a routed answer, with usage`, async () => {
    const model = new ChatMolora({ backend, model: "default", maxTokens: 12 });
    const answer = await model.invoke(QUESTION);
    assert.equal(answer.content, await alone({ mixture: "default", maxTokens: 12 }));
    assert.equal(usage(answer)?.output_tokens, 12);
    assert.equal(answer.response_metadata.finish_reason, "length");
    assert.equal((answer.response_metadata.generations as unknown[]).length, 2);
  });

  test(`${name}: settings of the model and of the call`, async () => {
    const model = new ChatMolora({ backend, model: "sql", maxTokens: 16, temperature: 0.9, seed: 5 });
    assert.equal((await model.invoke(QUESTION)).content, await alone({ adapter: "sql", ...SAMPLED }));
    const greedy = await alone({ adapter: "sql", maxTokens: 16 });
    const stop = greedy.trim().split(" ")[2];
    const stopped = await model.invoke(QUESTION, { temperature: 0, stop: [stop] });
    assert.equal(stopped.content, greedy.slice(0, greedy.indexOf(stop)));
    const traced = await model.invoke(QUESTION, { trace: true, maxTokens: 3 });
    assert.equal((traced.additional_kwargs.trace as unknown[]).length, 3);
    const unknown = new ChatMolora({ backend, model: "nothing" });
    await assert.rejects(unknown.invoke(QUESTION), { code: "unknown_model" });
  });

  test(`${name}: a chain, streamed, and one aborted half-way`, async () => {
    const model = new ChatMolora({ backend, model: "default", maxTokens: 12 });
    const prompt = ChatPromptTemplate.fromMessages([["human", "{question}"]]);
    const chain = prompt.pipe(model).pipe(new StringOutputParser());
    let text = "";
    for await (const piece of await chain.stream({ question: QUESTION })) text += piece;
    assert.equal(text, await alone({ mixture: "default", maxTokens: 12 }));

    const abort = new AbortController();
    const endless = new ChatMolora({ backend, model: "default", maxTokens: 800, ignoreEos: true });
    await assert.rejects(async () => {
      let pieces = 0;
      for await (const _ of await endless.stream(QUESTION, { signal: abort.signal })) if (++pieces === 3) abort.abort();
    }, /abort/i);
    await until(() => engine.stats().running === 0, "for the aborted request to leave the batch");
  });

  test(`${name}: a tool called and answered`, async () => {
    const weather = tool(({ city }) => `21 degrees in ${city}`, {
      name: "weather",
      description: "The weather in a city",
      schema: z.object({ city: z.enum(["Oslo", "Rome"]) }),
    });
    const model = new ChatMolora({ backend, model: "default", maxTokens: 80 });
    const asking = new HumanMessage("How warm is it in Rome?");
    const called = await model.bindTools([weather], { tool_choice: "any" }).invoke([asking]);
    const [call] = called.tool_calls ?? [];
    assert.equal(call.name, "weather");
    assert.equal(called.content, "");
    assert.equal(called.response_metadata.finish_reason, "tool_calls");
    const result: unknown = await weather.invoke(call as Parameters<typeof weather.invoke>[0]);
    assert.ok(result instanceof ToolMessage);
    assert.match(String(result.content), /^21 degrees in (Oslo|Rome)$/);
    const rest = await model.bindTools([weather]).invoke([asking, called, result]);
    assert.ok((usage(rest)?.input_tokens ?? 0) > (usage(called)?.input_tokens ?? 0));
  });

  test(`${name}: structured output`, async () => {
    const schema = z.object({ table: z.enum(["singer", "concert"]), count: z.boolean() });
    const model = new ChatMolora({ backend, model: "sql", maxTokens: 120 }).withStructuredOutput(schema);
    const answer = await model.invoke(QUESTION);
    assert.deepStrictEqual(schema.parse(answer), answer);
  });
}

const SAMPLED = { maxTokens: 16, temperature: 0.9, seed: 5 };

function usage(message: AIMessageChunk): UsageMetadata | undefined {
  return message.usage_metadata as UsageMetadata | undefined;
}
