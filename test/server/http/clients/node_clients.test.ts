// The clients strangers bring in Node, each as its own documentation sets it up, against the real engine: LangChain, the AI SDK
// and OpenAI's Agents SDK, by chat completions and by responses, whole, streamed, with tools and with schemas.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";
import {
  Agent,
  tool as agentTool,
  OpenAIChatCompletionsModel,
  OpenAIResponsesModel,
  Runner,
  setTracingDisabled,
} from "@openai/agents";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { z } from "zod";
import type { GenerateRequest } from "../../../../proto/api.ts";
import { closeEngine, nano, serveNano } from "../http_server.ts";

after(closeEngine);
setTracingDisabled(true);

const QUESTION = "How many singers are there?\nTable columns: age, name, singer";
const ANSWER = z.object({ table: z.enum(["singer", "concert"]), many: z.boolean() });

async function alone(request: GenerateRequest = {}): Promise<string> {
  let text = "";
  for await (const event of (await nano()).generate({ prompt: QUESTION, maxTokens: 10, ...request }))
    text += event.text;
  return text;
}

test("LangChain: invoke, stream, tools and schemas, by either API", async (t) => {
  const { baseUrl } = await serveNano(t);
  for (const useResponsesApi of [false, true]) {
    const configuration = { baseURL: baseUrl };
    const shared = { model: "nano:sql", apiKey: "none", temperature: 0, useResponsesApi, configuration };
    const model = new ChatOpenAI({ ...shared, maxTokens: 10 });
    const expected = await alone({ adapter: "sql" });
    assert.equal((await model.invoke(QUESTION)).text, expected);
    let streamed = "";
    for await (const chunk of await model.stream(QUESTION)) streamed += chunk.text;
    assert.equal(streamed, expected);
    const longer = new ChatOpenAI({ ...shared, maxTokens: 250 });
    const query = { name: "query", description: "Asks", schema: ANSWER };
    const called = await longer.bindTools([query], { tool_choice: "query" }).invoke(QUESTION);
    assert.equal(called.tool_calls?.[0].name, "query");
    ANSWER.parse(called.tool_calls?.[0].args);
    const structured = await longer.withStructuredOutput(ANSWER, { method: "jsonSchema" }).invoke(QUESTION);
    ANSWER.parse(structured);
  }
});

test("the AI SDK: text, streams, objects and tool loops, by either API", async (t) => {
  const { baseUrl: baseURL } = await serveNano(t);
  const chat = createOpenAICompatible({ name: "molora", baseURL, supportsStructuredOutputs: true });
  const openai = createOpenAI({ baseURL, apiKey: "none" });
  for (const model of [chat("nano"), openai.chat("nano"), openai.responses("nano")]) {
    const asked = { model, prompt: QUESTION, temperature: 0, maxOutputTokens: 10, maxRetries: 0 };
    const expected = await alone();
    const whole = await generateText(asked);
    assert.equal(whole.text, expected);
    assert.equal(whole.finishReason, "length");
    assert.equal(whole.usage.outputTokens, 10);
    let streamed = "";
    for await (const part of streamText(asked).textStream) streamed += part;
    assert.equal(streamed, expected);
    const { output } = await generateText({
      ...asked,
      maxOutputTokens: 250,
      output: Output.object({ schema: ANSWER }),
    });
    ANSWER.parse(output);
    const query = tool({
      description: "Asks",
      inputSchema: jsonSchema<{ table: string }>({
        type: "object",
        properties: { table: { enum: ["singer"] } },
        required: ["table"],
        additionalProperties: false,
      }),
      execute: ({ table }) => `42 in ${table}`,
    });
    const loop = await generateText({
      ...asked,
      maxOutputTokens: 250,
      tools: { query },
      toolChoice: "required",
      stopWhen: stepCountIs(2),
    });
    assert.equal(loop.steps.length, 2);
    assert.deepEqual(loop.steps[0].toolResults[0].output, "42 in singer");
  }
});

test("OpenAI's Agents SDK: an agent calls a tool and goes on, by either API, whole and streamed", async (t) => {
  const client = new OpenAI({ baseURL: (await serveNano(t)).baseUrl, apiKey: "none" });
  const runner = new Runner({ tracingDisabled: true });
  for (const model of [
    new OpenAIChatCompletionsModel(client, "nano:default"),
    new OpenAIResponsesModel(client, "nano:default"),
  ]) {
    const settings = { temperature: 0, maxTokens: 400 };
    const plain = new Agent({ name: "plain", model, modelSettings: settings });
    const expected = await alone({ maxTokens: 400, mixture: "default" });
    assert.equal((await runner.run(plain, QUESTION)).finalOutput, expected);
    const streamed = await runner.run(plain, QUESTION, { stream: true });
    let text = "";
    for await (const delta of streamed.toTextStream()) text += String(delta);
    assert.equal(text, expected);
    let asked: unknown;
    const query = agentTool({
      name: "query",
      description: "Asks",
      parameters: ANSWER,
      execute: (given) => {
        asked = given;
        return "42";
      },
    });
    const caller = new Agent({
      name: "caller",
      instructions: "Answer.",
      model,
      tools: [query],
      outputType: ANSWER,
      modelSettings: { ...settings, maxTokens: 400, toolChoice: "required" },
    });
    const result = await runner.run(caller, QUESTION);
    ANSWER.parse(asked);
    ANSWER.parse(result.finalOutput);
  }
});
