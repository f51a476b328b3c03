// Ten thousand requests at once, megabytes in one message: whoever asks beside them is answered as if they were not there.

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { after, test } from "node:test";
import { Worker } from "node:worker_threads";
import type { Measured, Ready } from "../../perf/soak/server.ts";
import type { Flood, FloodReport } from "./flood_client.ts";

/** Milliseconds a flood may hold the server's event loop in one piece. */
const LONGEST_BLOCK = 200;

/** A process of its own: node:test follows every promise of its process, which makes a server's turns three times as long. */
const server: ChildProcess = fork(new URL("../../perf/soak/server.js", import.meta.url), ["models/nano/adapters"]);
const ready = once(server, "message").then(([message]) => message as Ready);
after(() => server.connected && server.send("end"));

/** The longest the server's event loop was held since the last asking, in milliseconds. */
async function longestBlock(): Promise<number> {
  const answer = once(server, "message");
  server.send("measure");
  const [{ longestBlockMs }] = (await answer) as [Measured];
  return longestBlockMs;
}

async function flood(workerData: Flood): Promise<FloodReport> {
  const worker = new Worker(new URL("./flood_client.js", import.meta.url), { workerData });
  const report = await new Promise<FloodReport>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  await worker.terminate();
  return report;
}

const chat = (content: string) =>
  JSON.stringify({ model: "nano", max_tokens: 1, messages: [{ role: "user", content }] });
const frame = (prompt: string) => JSON.stringify({ type: "generate", id: "%", maxTokens: 1, prompt });
const words = "Tell me a story about a dog and a cat. ".repeat(5);

/** The language of the first takes 2^20 states to tell, that of the second 150² repetitions of anything. */
const schema = (pattern: string) =>
  JSON.stringify({
    model: "nano",
    messages: [{ role: "user", content: "x" }],
    response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "string", pattern } } },
  });

const FLOODS: [string, Omit<Flood, "port">, Record<string, number>][] = [
  ["10,000 requests over 500 connections", { kind: "http", requests: 10_000, connections: 500, body: chat(words) }, {}],
  ["10,000 frames over one socket", { kind: "stream", requests: 10_000, connections: 1, body: frame(words) }, {}],
  ["10,000 frames over 40 sockets", { kind: "stream", requests: 10_000, connections: 40, body: frame(words) }, {}],
  [
    "bodies of 8 MB",
    { kind: "http", requests: 8, connections: 2, body: chat(" ".repeat(8 * 2 ** 20 - 200)) },
    { 400: 8 },
  ],
  [
    "frames of 1 MB",
    { kind: "stream", requests: 32, connections: 4, body: frame(" ".repeat(2 ** 20 - 200)) },
    { prompt_too_long: 32 },
  ],
  [
    "grammars of a million states",
    { kind: "http", requests: 8, connections: 4, body: schema("^[ab]*a[ab]{20}$") },
    { 400: 8 },
  ],
  [
    "grammars of nested repetitions",
    { kind: "http", requests: 8, connections: 4, body: schema("^(.{0,150}){0,150}$") },
    { 400: 8 },
  ],
  [
    "bodies of JSON 4,500 deep",
    { kind: "http", requests: 200, connections: 20, body: `{"model":${"[".repeat(4500)}${"]".repeat(4500)}}` },
    { 400: 200 },
  ],
];

for (const [what, shape, expected] of FLOODS) {
  test(`${what}: a person's /health is not kept waiting`, async (t) => {
    const port = Number(new URL((await ready).baseUrl).port);
    // Other programs hold the loop up as well: what holds on one of three tries is ours.
    let held = false;
    for (let i = 0; i < 3 && !held; i++) {
      await longestBlock();
      const { health, answers } = await flood({ port, ...shape });
      const block = await longestBlock();
      const worst = health.at(-1)!;
      const most = health[Math.floor(health.length * 0.99)]!;
      t.diagnostic(`${JSON.stringify(answers)}; health ${most.toFixed(0)} ms (99 %), ${worst.toFixed(0)} ms (worst)`);
      t.diagnostic(`longest block ${block.toFixed(0)} ms`);
      if (Object.keys(expected).length > 0) assert.deepEqual(answers, expected);
      assert.equal(
        Object.values(answers).reduce((sum, n) => sum + n, 0),
        shape.requests,
      );
      held = block < LONGEST_BLOCK;
    }
    assert.ok(held, "the loop was held for too long");
  });
}
