// Minutes of random work as strangers bring it, over real HTTP and WebSocket: requests of every mode, adapters swapped under
// them, cancels and faults. Every text is compared with what the same request gave alone. Prints what was tried and what was
// lost, which must be nothing, how long the server's event loop was held, and how its memory and handles went.
// Usage: node dist/perf/soak.js [--minutes N] [--clients N] [--seed N] [--json]

import { type ChildProcess, fork } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MoloraClient } from "../proto/client.ts";
import { MoloraError } from "../proto/errors.ts";
import { killMidStream, leaveHalfOpen, readSlowly, sendBadFrames, sendBadHttp } from "./soak/faults.ts";
import { ADAPTERS, ask, Refused, type Said, type Server, TASKS, type Task, WAYS, type Way } from "./soak/requests.ts";
import type { Measured, Ready } from "./soak/server.ts";
import { Tally } from "./soak/tally.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    clients: { type: "string", default: "12" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});
const SWAPPED = ["swapped-0", "swapped-1", "swapped-2"];
const MODELS = ["nano", "nano:default", ...ADAPTERS.map((name) => `nano:${name}`)];

const random = mulberry32(Number(values.seed));
const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)];

const adapterRoot = await mkdtemp(join(tmpdir(), "molora-soak-"));
await cp("models/nano/adapters", adapterRoot, { recursive: true });
const child = fork(fileURLToPath(new URL("./soak/server.js", import.meta.url)), [adapterRoot], {
  execArgv: ["--expose-gc"],
});
const { baseUrl, url } = await told<Ready>(child, "ready");
const clients = {
  proto: await MoloraClient.connect(url, { encoding: "proto" }),
  msgpack: await MoloraClient.connect(url, { encoding: "msgpack" }),
  json: await MoloraClient.connect(url, { encoding: "json" }),
};
const server: Server = { baseUrl, clients };
const address = { host: new URL(baseUrl).hostname, port: Number(new URL(baseUrl).port), url };
const tally = new Tally();

/** By task and by the hash of what it was routed to: names are swapped, contents are not. */
const alone = new Map<string, string>();
const routed = ({ generations }: Said) => generations.find(({ kind }) => kind !== "base")?.hash ?? "base";
for (const model of MODELS) {
  for (const task of TASKS) {
    const said = await ask(server, "http", task, model);
    alone.set(`${task.key} ${routed(said)}`, said.text);
  }
}

/** Thrown into an asking that has gone far enough. */
class Enough extends Error {}

async function whole(way: Way, task: Task, model: string): Promise<void> {
  const kind = `${way}, ${task.family === "text" ? "raw text" : task.kind}`;
  try {
    const said = await ask(server, way, task, model);
    check(kind, said, task);
  } catch (thrown) {
    fail(kind, thrown, model);
  }
}

function check(kind: string, said: Said, task: Task): void {
  const expected = alone.get(`${task.key} ${routed(said)}`);
  if (said.text === expected) tally.add(kind, "right");
  else tally.add(kind, "wrong", `${JSON.stringify(said.text)} in place of ${JSON.stringify(expected)}`);
}

/** A name that is swapped may be unloaded at the moment it is asked for. */
function fail(kind: string, thrown: unknown, model: string): void {
  const code = thrown instanceof Refused || thrown instanceof MoloraError ? thrown.code : undefined;
  const unloaded = code === "unknown_model" || code === "unknown_adapter";
  if (unloaded && SWAPPED.some((name) => model.endsWith(name))) tally.add(kind, "meant");
  else tally.add(kind, "lost", String(thrown));
}

async function cancelled(way: Way, task: Task, model: string): Promise<void> {
  const kind = `${way}, cancelled`;
  const abort = new AbortController();
  let seen = "";
  const after = 1 + Math.floor(random() * 20);
  try {
    await ask(
      server,
      way,
      task,
      model,
      (text) => {
        seen = text;
        if (text.length < after) return;
        abort.abort();
        throw new Enough();
      },
      abort.signal,
    );
    tally.add(kind, "meant");
  } catch (thrown) {
    const isAbort = thrown instanceof Enough || (thrown instanceof Error && thrown.name === "AbortError");
    const begins = [...alone].some(([key, text]) => key.startsWith(`${task.key} `) && text.startsWith(seen));
    if (!isAbort) fail(kind, thrown, model);
    else if (begins) tally.add(kind, "meant");
    else tally.add(kind, "wrong", `${JSON.stringify(seen)} begins no text`);
  }
}

async function swap(): Promise<void> {
  const lora_name = pick(SWAPPED);
  const isLoad = random() < 0.7;
  const body = isLoad ? { lora_name, lora_path: pick(ADAPTERS), load_inplace: true } : { lora_name };
  const response = await fetch(`${baseUrl}/${isLoad ? "load" : "unload"}_lora_adapter`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const kind = isLoad ? "adapter loaded" : "adapter unloaded";
  // Two clients may unload the same name.
  if (response.ok) tally.add(kind, "right");
  else if (!isLoad && response.status === 404) tally.add(kind, "meant");
  else tally.add(kind, "lost", text);
}

async function fault(kind: string, done: () => Promise<void>): Promise<void> {
  try {
    await done();
    tally.add(kind, "meant");
  } catch (thrown) {
    tally.add(kind, "lost", String(thrown));
  }
}

async function slowly(task: Task, model: string): Promise<void> {
  try {
    const text = await readSlowly(address, task, model, 200 * random());
    const rights = [...alone].filter(([key]) => key.startsWith(`${task.key} `)).map(([, right]) => right);
    if (rights.includes(text)) tally.add("slow reader", "right");
    else tally.add("slow reader", "wrong", JSON.stringify(text));
  } catch (thrown) {
    tally.add("slow reader", "lost", String(thrown));
  }
}

async function one(): Promise<void> {
  const task = pick(TASKS);
  const fixed = pick(MODELS);
  const model = random() < 0.4 ? `nano:${pick(SWAPPED)}` : fixed;
  const roll = random();
  const way = task.family === "text" ? pick(WAYS.filter((each) => !each.startsWith("responses"))) : pick(WAYS);
  if (roll < 0.6) return whole(way, task, model);
  if (roll < 0.72) return cancelled(way === "http" || way === "responses" ? "http stream" : way, task, fixed);
  if (roll < 0.82) return swap();
  if (roll < 0.87) return fault("left in mid-stream", () => killMidStream(address, task, fixed));
  if (roll < 0.92) return slowly(task, fixed);
  if (roll < 0.93) return fault("half-open socket", () => leaveHalfOpen(address, 2000 * random()));
  if (roll < 0.965) return fault("malformed frame", () => sendBadFrames(address, random));
  return fault("malformed HTTP", () => sendBadHttp(address, random));
}

const healthMs: number[] = [];
async function watchHealth(until: () => boolean): Promise<void> {
  while (!until()) {
    const begun = performance.now();
    await fetch(baseUrl.replace(/v1$/, "health")).then((response) => response.text());
    healthMs.push(performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

child.send("measure");
const first = await told<Measured>(child, "measured");
const begun = performance.now();
const end = begun + Number(values.minutes) * 60_000;
const over = () => performance.now() >= end;
const looks: Measured[] = [];
const work = Array.from({ length: Number(values.clients) }, async () => {
  while (!over()) await one();
});
const watching = watchHealth(over);
// As often as an engine takes it within ten minutes; what runs then is computed again, and its text is compared as any other's.
const losses = process.env.MOLORA_DEVICE === "gpu" ? [] : [0.25, 0.5, 0.75];
for (const share of losses) setTimeout(() => child.send("lose"), share * (end - begun));
// Ten looks at memory, whatever the length.
for (let i = 1; i <= 10; i++) {
  await new Promise((resolve) => setTimeout(resolve, begun + ((end - begun) * i) / 10 - performance.now()));
  child.send("measure");
  looks.push(await told<Measured>(child, "measured"));
}
await Promise.all([...work, watching]);
await new Promise((resolve) => setTimeout(resolve, 1000));
child.send("measure");
const last = await told<Measured>(child, "measured");
if (last.running + last.waiting > 0)
  tally.add("requests left behind", "lost", `${last.running} run, ${last.waiting} wait`);

for (let i = 0; i < losses.length; i++) tally.add("device lost", i < last.revivals ? "meant" : "lost");

const MiB = (bytes: number) => Math.round(bytes / 2 ** 20);
const figures = {
  minutes: Number(values.minutes),
  tried: tally.tried,
  wrong: tally.total("wrong"),
  lost: tally.total("lost"),
  longest_block_ms: Math.max(...looks.map(({ longestBlockMs }) => longestBlockMs)),
  block_p99_ms: Math.max(...looks.map(({ blockP99Ms }) => blockP99Ms)),
  health_longest_ms: Math.max(...healthMs),
  rss_mib: looks.map(({ rss }) => MiB(rss)),
  heap_mib: looks.map(({ heapUsed }) => MiB(heapUsed)),
  handles: [first, ...looks, last].map(({ handles }) => handles),
};
if (values.json) console.log(JSON.stringify({ name: "soak", ...figures, kinds: tally }));
else {
  console.log(`${tally.table()}\n`);
  for (const [name, value] of Object.entries(figures)) {
    console.log(name.padEnd(20), typeof value === "number" ? Number(value.toPrecision(4)) : value.join(" "));
  }
  for (const failure of tally.failures) console.log(failure);
}
if (figures.wrong + figures.lost > 0) process.exitCode = 1;

for (const client of Object.values(clients)) await client.close();
const ended = new Promise((resolve) => child.once("exit", resolve));
child.send("end");
await ended;
await rm(adapterRoot, { recursive: true });

function told<T extends { type: string }>(from: ChildProcess, type: T["type"]): Promise<T> {
  return new Promise((resolve, reject) => {
    const died = (code: number | null) => reject(new Error(`the server ended with ${code}`));
    const heard = (message: unknown) => {
      if ((message as T).type !== type) return;
      from.off("message", heard).off("exit", died);
      resolve(message as T);
    };
    from.on("message", heard).once("exit", died);
  });
}

/** The same draws for the same seed; their order depends on how fast answers come. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
