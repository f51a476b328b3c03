// What a person's /health takes while strangers flood the server: server, strangers and the person are a process each, since whoever
// floods is too busy to tell how long an answer took.
// Usage: node dist/perf/floods.js [--rounds N]

import { type ChildProcess, fork } from "node:child_process";
import { Agent, get } from "node:http";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import type { Flood, FloodReport } from "../test/server/flood_client.ts";
import type { Ready } from "./soak/server.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "2" }, flood: { type: "boolean", default: false } },
});

const words = "Tell me a story about a dog and a cat. ".repeat(5);
const chat = (content: string, more: object = {}) =>
  JSON.stringify({ model: "nano", max_tokens: 1, messages: [{ role: "user", content }], ...more });
const frame = (prompt: string) => JSON.stringify({ type: "generate", id: "%", maxTokens: 1, prompt });
const pattern = (text: string) => ({
  response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "string", pattern: text } } },
});
const nested = `{"model":${"[".repeat(4500)}${"]".repeat(4500)}}`;

const FLOODS: [string, Omit<Flood, "port">][] = [
  ["10,000 requests, 500 connections", { kind: "http", requests: 10_000, connections: 500, body: chat(words) }],
  ["10,000 frames, one socket", { kind: "stream", requests: 10_000, connections: 1, body: frame(words) }],
  ["10,000 frames, 40 sockets", { kind: "stream", requests: 10_000, connections: 40, body: frame(words) }],
  ["8 bodies of 8 MB of spaces", { kind: "http", requests: 8, connections: 2, body: chat(" ".repeat(2 ** 23 - 200)) }],
  [
    "32 frames of 1 MB of spaces",
    { kind: "stream", requests: 32, connections: 4, body: frame(" ".repeat(2 ** 20 - 200)) },
  ],
  [
    "grammars of a million states",
    { kind: "http", requests: 8, connections: 4, body: chat("x", pattern("^[ab]*a[ab]{20}$")) },
  ],
  [
    "grammars of nested repetitions",
    { kind: "http", requests: 8, connections: 4, body: chat("x", pattern("^(.{0,150}){0,150}$")) },
  ],
  ["200 bodies of JSON 4,500 deep", { kind: "http", requests: 200, connections: 20, body: nested }],
];

if (values.flood) process.on("message", ([index, port]: [number, number]) => void flood(index, port));
else await main();

/** In the strangers' process. */
async function flood(index: number, port: number): Promise<void> {
  const client = new URL("../test/server/flood_client.js", import.meta.url);
  const worker = new Worker(client, { workerData: { port, ...FLOODS[index][1] } });
  const { answers } = await new Promise<FloodReport>((resolve, reject) => {
    worker.once("message", resolve).once("error", reject);
  });
  await worker.terminate();
  process.send?.(answers);
}

async function main(): Promise<void> {
  const server = fork(new URL("./soak/server.js", import.meta.url), ["models/nano/adapters"]);
  const { baseUrl } = await told<Ready>(server);
  const port = Number(new URL(baseUrl).port);
  const strangers = fork(new URL(import.meta.url), ["--flood"]);
  console.log("| flood | answers | looks | p50, ms | p99 | longest |\n|---|---|---|---|---|---|");
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [index, [name]] of FLOODS.entries()) {
      strangers.send([index, port]);
      const { answers, looks } = await watched(port, told<FloodReport["answers"]>(strangers));
      const at = (share: number) => looks[Math.min(looks.length - 1, Math.floor(looks.length * share))].toFixed(0);
      const shown = Object.entries(answers).map(([what, count]) => `${count} ${what}`);
      console.log(`| ${[name, shown.join(", "), looks.length, at(0.5), at(0.99), at(1)].join(" | ")} |`);
    }
  }
  server.send("end");
  strangers.disconnect();
}

/** Looks at /health every ten milliseconds until the flood is over; what each took, ascending. */
async function watched<T>(port: number, over: Promise<T>): Promise<{ answers: T; looks: number[] }> {
  const agent = new Agent({ keepAlive: true });
  const looks: number[] = [];
  let answers: T | undefined;
  const ended = over.then((value) => {
    answers = value;
  });
  while (answers === undefined) {
    const begun = performance.now();
    await new Promise<void>((resolve, reject) => {
      const asked = get({ port, path: "/health", agent }, (response) => response.resume().once("end", resolve));
      asked.once("error", reject);
    });
    looks.push(performance.now() - begun);
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 10))]);
  }
  agent.destroy();
  return { answers, looks: looks.sort((a, b) => a - b) };
}

function told<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const died = (code: number | null) => reject(new Error(`a process ended with ${code}`));
    child.once("exit", died);
    child.once("message", (message) => {
      child.off("exit", died);
      resolve(message as T);
    });
  });
}
