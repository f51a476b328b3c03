// One call's transcript scored by many adapters of one base, as a contact centre does it: in molora all at once; by one engine
// an adapter; in llama.cpp one adapter after another. Usage: node dist/perf/scenario.js [--count N] [--answer N] [--rounds N]
// [--alone N] [--threads N] [--llama FOLDER --python PATH --after N] [--out DIR]: a folder with node-llama-cpp, and a Python with gguf,
// safetensors and numpy. Of what goes one by one N are measured (3 engines, 6 adapters in llama.cpp) and taken for all.
// On a busy machine take one thread: threads that wait for each other use processors too.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "../cli/bench/timing.ts";
import { loadTokenizer } from "../engine/text/tokenizer.ts";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { openPath } from "../node/files.ts";
import { fetchSmolLM2 } from "../node/smollm2.ts";
import { MoloraClient } from "../proto/client.ts";
import { questionOf } from "./scenario/call.ts";
import type { Scored } from "./scenario/scored.ts";
import { folderName, makeFolders } from "./serving/adapter_folders.ts";
import { spreadOf } from "./serving/figures.ts";
import { startServer } from "./serving/molora_server.ts";
import { distribution, lineChart } from "./serving/plot.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "60" },
    answer: { type: "string", default: "8" },
    rounds: { type: "string", default: "2" },
    alone: { type: "string", default: "3" },
    after: { type: "string", default: "6" },
    threads: { type: "string", default: String(availableParallelism()) },
    llama: { type: "string" },
    python: { type: "string", default: "python3" },
    out: { type: "string" },
  },
});
const [count, answer] = [Number(values.count), Number(values.answer)];
const model = await fetchSmolLM2();
const { config, tokenizerFiles } = await openModelFiles(await openPath(model));
const tokenizer = loadTokenizer(tokenizerFiles);
const root = join(tmpdir(), "molora-scenario");
const directory = join(root, "adapters");
makeFolders({ directory, count, modules: ["q_proj", "k_proj", "v_proj", "o_proj"], config });
const serving = ["--model", model, "--device", "cpu", "--threads", values.threads];
const prompts = Array.from({ length: count }, (_, i) => tokenizer.encode(questionOf(i)));

/** The call's adapters in molora, all asked at once of one server. */
async function together(folder: string, flags: readonly string[], readFirst?: readonly number[]): Promise<Scored> {
  const all = [...serving, "--adapters", folder, "--max-sequences", "64", ...flags];
  const server = await startServer(all);
  const client = await MoloraClient.connect(server.url);
  try {
    await answerOf(client, 0); // what the first step of a server costs, and this adapter's reading
    const worked = server.processorSeconds();
    const begun = performance.now();
    if (readFirst !== undefined) for await (const _ of client.generate({ ids: [...readFirst], maxTokens: 1 }));
    const firstTokenMs = await Promise.all(prompts.map((_, i) => answerOf(client, i, begun)));
    const seconds = (performance.now() - begun) / 1000;
    const processorSeconds = server.processorSeconds() - worked;
    return { seconds, processorSeconds, residentMiB: server.residentBytes() / 2 ** 20, firstTokenMs };
  } finally {
    await client.close();
    await server.stop();
  }
}

async function answerOf(client: MoloraClient, index: number, begun = performance.now()): Promise<number> {
  let first = 0;
  const request = { ids: prompts[index], maxTokens: answer, ignoreEos: true, adapter: folderName(index) };
  for await (const event of client.generate(request)) {
    if (first === 0 && event.type === "token") first = performance.now() - begun;
  }
  return first;
}

/** Servers that have one adapter each: a few are measured, one after another, and taken for all. */
async function oneEngineEach(): Promise<Scored> {
  const each: Scored[] = [];
  for (let i = 0; i < Number(values.alone); i++) {
    const adapter = `${folderName(i)}=${join(directory, folderName(i))}`;
    const server = await startServer([...serving, "--adapter", adapter]);
    const client = await MoloraClient.connect(server.url);
    for await (const _ of client.generate({ ids: [20, 21, 22], maxTokens: 2, adapter: folderName(i) }));
    const worked = server.processorSeconds();
    const begun = performance.now();
    const first = await answerOf(client, i);
    each.push({
      seconds: (performance.now() - begun) / 1000,
      processorSeconds: server.processorSeconds() - worked,
      residentMiB: server.residentBytes() / 2 ** 20,
      firstTokenMs: [first],
    });
    await client.close();
    await server.stop();
  }
  return forAll(each.map((one) => ({ ...one, firstTokenMs: one.firstTokenMs[0] })));
}

/** What all take, one after another, as some of them did on average. */
function forAll(some: readonly (Omit<Scored, "firstTokenMs"> & { firstTokenMs: number })[]): Scored {
  const mean = (of: (one: (typeof some)[0]) => number) => some.reduce((sum, one) => sum + of(one), 0) / some.length;
  const seconds = mean((one) => one.seconds);
  const first = mean((one) => one.firstTokenMs);
  return {
    seconds: count * seconds,
    processorSeconds: count * mean((one) => one.processorSeconds),
    residentMiB: count * mean((one) => one.residentMiB),
    firstTokenMs: Array.from({ length: count }, (_, i) => 1000 * i * seconds + first),
  };
}

function llamaOneAfterAnother(folder: string): Scored {
  const converted = join(root, "gguf");
  const measured = Math.min(count, Number(values.after));
  if (!existsSync(join(converted, `${folderName(count - 1)}.gguf`))) {
    const heads = [String(config.numHeads), String(config.numKvHeads)];
    execFileSync(values.python, ["perf/scenario/gguf_adapters.py", directory, ...heads, converted]);
  }
  const script = fileURLToPath(new URL("./scenario/llama.js", import.meta.url));
  const args = [script, model, values.threads, folder, converted, String(measured), String(answer)];
  const printed = execFileSync(process.execPath, args, { input: JSON.stringify(prompts), encoding: "utf8" });
  const scored: Scored = JSON.parse(printed.slice(printed.lastIndexOf('{"seconds"')));
  const { seconds, processorSeconds, residentMiB, firstTokenMs } = scored;
  // It keeps one context at a time, so that its memory is that of one.
  const whole = forAll(
    firstTokenMs.map((ms, i) => ({
      ...scored,
      seconds: seconds / measured,
      processorSeconds: processorSeconds / measured,
      firstTokenMs: ms - (1000 * i * seconds) / measured,
    })),
  );
  return { ...whole, residentMiB };
}

/** The same adapters, acting from the question's last tokens on (activated LoRA), so that all share the transcript's KV. */
function activated(): { folder: string; shared: number[] } {
  const folder = join(root, "activated");
  const invocation = tokenizer.encode(" Answer in a few words.");
  for (let i = 0; i < count; i++) {
    const to = join(folder, folderName(i));
    cpSync(join(directory, folderName(i)), to, { recursive: true });
    const file = join(to, "adapter_config.json");
    const json = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ ...json, alora_invocation_tokens: invocation }));
  }
  const [first, ...others] = prompts;
  const ends = others.map((ids) => first.findIndex((id, t) => ids[t] !== id)).filter((end) => end >= 0);
  return { folder, shared: first.slice(0, Math.min(first.length, ...ends)) };
}

const own = activated();
const ways: [name: string, score: () => Promise<Scored> | Scored][] = [
  ["molora, all at once", () => together(directory, [])],
  ["molora, activated adapters", () => together(own.folder, [], own.shared)],
  ["one engine an adapter", oneEngineEach],
  ...(values.llama === undefined
    ? []
    : [["llama.cpp, one after another", () => llamaOneAfterAnother(values.llama!)] as [string, () => Scored]]),
];
const results = ways.map(([name]) => ({ name, rounds: [] as Scored[] }));
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [i, [name, score]] of ways.entries()) {
    results[i].rounds.push(await score());
    const { seconds, processorSeconds } = results[i].rounds[round];
    console.error(`${name}: ${seconds.toFixed(1)} s, ${processorSeconds.toFixed(1)} s of processors`);
  }
}

const of = (rounds: readonly Scored[], value: (one: Scored) => number) => median(rounds.map(value));
console.log(`One call of ${prompts[0].length} tokens, scored by ${count} adapters, ${answer} tokens each:\n`);
const head = ["", "s a call", "processor s", "resident, MiB", "GiB · s", "first token p50, s", "p99, s"];
console.log(`| ${head.join(" | ")} |\n|${head.map(() => "---|").join("")}`);
for (const { name, rounds } of results) {
  const cells = [
    of(rounds, (one) => one.seconds),
    of(rounds, (one) => one.processorSeconds),
    of(rounds, (one) => one.residentMiB),
    of(rounds, (one) => (one.residentMiB / 1024) * one.seconds),
    of(rounds, (one) => spreadOf(one.firstTokenMs).p50 / 1000),
    of(rounds, (one) => spreadOf(one.firstTokenMs).p99 / 1000),
  ].map((value) => (value < 100 ? value.toFixed(1) : value.toFixed(0)));
  console.log(`| ${[name, ...cells].join(" | ")} |`);
}
if (values.out !== undefined) {
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, "scenario.json"), JSON.stringify(results));
  const chart = lineChart({
    ...{ title: `One call, ${count} adapters: when each begins to answer`, x: "s", y: "share of them", marks: false },
    series: results.map(({ name, rounds }) => {
      return { name, points: distribution(rounds[rounds.length - 1].firstTokenMs.map((ms) => ms / 1000)) };
    }),
  });
  writeFileSync(join(values.out, "scenario.svg"), chart);
}
