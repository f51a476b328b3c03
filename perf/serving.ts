// Many streams at once, half over HTTP and half over WebSocket, of every mode: all complete, every greedy text is that
// produced alone, and how long clients waited. Usage: node dist/perf/serving.js [--streams N] [--tokens N] [--json]

import { parseArgs } from "node:util";
import OpenAI from "openai";
import { Engine } from "../node/index.ts";
import type { Routing } from "../proto/api.ts";
import { MoloraClient } from "../proto/client.ts";
import { serve } from "../server/http/serve.ts";

const { values } = parseArgs({
  options: {
    streams: { type: "string", default: "64" },
    tokens: { type: "string", default: "32" },
    json: { type: "boolean", default: false },
  },
});
const maxTokens = Number(values.tokens);

const PROMPTS = [
  "How many singers are there?\nTable columns: age, name, singer",
  "Tom has 12 apples and buys 5 more. How many apples does he have now?",
  "What are the symptoms of asthma?",
  "Write a function that adds two numbers.",
];
const MODELS: [model: string, routing: Routing][] = [
  ["nano", {}],
  ["nano:sql", { adapter: "sql" }],
  ["nano:default", { mixture: "default" }],
  ["nano:code", { adapter: "code" }],
];

interface Stream {
  text: string;
  /** Milliseconds from asking to the first token, and between tokens. */
  first: number;
  gaps: number[];
}

/** Joins pieces of text as they come, keeping time. */
async function timed(pieces: () => Promise<AsyncIterable<string>> | AsyncIterable<string>): Promise<Stream> {
  const times = [performance.now()];
  let text = "";
  for await (const piece of await pieces()) {
    times.push(performance.now());
    text += piece;
  }
  const gaps = times.slice(1).map((time, i) => time - times[i]);
  return { text, first: gaps[0], gaps: gaps.slice(1) };
}

const engine = await Engine.load();
const server = await serve(engine);
const http = new OpenAI({ baseURL: server.baseUrl, apiKey: "none", maxRetries: 0 });
const client = await MoloraClient.connect(server.url);

async function* overHttp(prompt: string, model: string): AsyncGenerator<string> {
  const request = { model, temperature: 0, max_tokens: maxTokens, ...{ ignore_eos: true } };
  const messages = [{ role: "user" as const, content: prompt }];
  const stream = await http.chat.completions.create({ ...request, messages, stream: true });
  for await (const { choices } of stream) if (choices[0]?.delta.content) yield choices[0].delta.content;
}

async function* overSocket(prompt: string, routing: Routing): AsyncGenerator<string> {
  for await (const { text } of client.generate({ prompt, maxTokens, ignoreEos: true, ...routing })) {
    if (text !== "") yield text;
  }
}

function ask(index: number): Promise<Stream> {
  const prompt = PROMPTS[index % PROMPTS.length];
  const [model, routing] = MODELS[Math.floor(index / PROMPTS.length) % MODELS.length];
  const isHttp = Math.floor(index / (PROMPTS.length * MODELS.length)) % 2 === 0;
  return timed(() => (isHttp ? overHttp(prompt, model) : overSocket(prompt, routing)));
}

function percentile(numbers: readonly number[], p: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((p / 100) * sorted.length))];
}

const count = Number(values.streams);
const indices = Array.from({ length: count }, (_, i) => i);
const alone: string[] = [];
for (const i of indices.slice(0, PROMPTS.length * MODELS.length)) alone.push((await ask(i)).text);

const begun = performance.now();
const streams = await Promise.all(indices.map(ask));
const seconds = (performance.now() - begun) / 1000;

const different = streams.filter(({ text }, i) => text !== alone[i % alone.length]).length;
const first = streams.map((stream) => stream.first);
const gaps = streams.flatMap((stream) => stream.gaps);
const figures = {
  streams: count,
  tokens: maxTokens,
  different,
  seconds,
  tokens_per_second: (count * maxTokens) / seconds,
  first_token_p50_ms: percentile(first, 50),
  first_token_p99_ms: percentile(first, 99),
  inter_token_p50_ms: percentile(gaps, 50),
  inter_token_p99_ms: percentile(gaps, 99),
};
if (values.json) {
  console.log(JSON.stringify({ name: "serving", ...figures }));
} else {
  for (const [name, value] of Object.entries(figures)) console.log(name.padEnd(24), Number(value.toPrecision(4)));
}
if (different > 0) process.exitCode = 1;

await client.close();
await server.close();
await engine.close();
