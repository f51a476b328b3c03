// The same work in molora, in llama.cpp and in PyTorch with PEFT, in turns in one run, beside the goals.
// Usage: node dist/perf/peers.js [--rounds N] [--threads N] [--llama FOLDER] [--python PATH] [--json]
//   --llama: a folder with node-llama-cpp installed; --python: an interpreter with torch, transformers, peft, gguf.
// A peer that is not named is left out.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "../cli/bench/timing.ts";
import { fetchSmolLM2 } from "../node/smollm2.ts";
import { adapterVariants } from "./adapter_variants.ts";
import { CROWD, type Crowded, type Loaded, type Round, TOGETHER } from "./peers/work.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: String(availableParallelism()) },
    llama: { type: "string" },
    python: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

/** One of the compared, in a process of its own. */
class Peer {
  readonly name: string;
  readonly rounds: Round[] = [];
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(name: string, command: string, args: readonly string[]) {
    this.name = name;
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  loaded(): Promise<Loaded> {
    return this.#answer();
  }

  round(): Promise<Round> {
    return this.#ask("round");
  }

  crowded(): Promise<Crowded> {
    return this.#ask("crowd");
  }

  end(): void {
    this.#child.stdin!.end();
  }

  #ask<T>(work: string): Promise<T> {
    this.#child.stdin!.write(`${work}\n`);
    return this.#answer();
  }

  async #answer<T>(): Promise<T> {
    for (;;) {
      const { done, value } = await this.#lines.next();
      if (done) throw new Error(`${this.name} ended`);
      if (value.startsWith("{")) return JSON.parse(value);
    }
  }
}

const script = (name: string) => fileURLToPath(new URL(`./peers/${name}.js`, import.meta.url));
const temporary = await mkdtemp(join(tmpdir(), "molora-peers-"));
const model = await fetchSmolLM2();
await adapterVariants("models/smollm2", TOGETHER, temporary);

const started: [name: string, command: string, args: readonly string[]][] = [
  ["molora", process.execPath, [script("molora"), model, values.threads, temporary]],
  ...(values.llama ? [["llama.cpp", process.execPath, [script("llama"), model, values.threads, values.llama]]] : []),
  ...(values.python
    ? [["PyTorch, PEFT", values.python, ["perf/peers/pytorch.py", model, values.threads, temporary]]]
    : []),
] as [string, string, readonly string[]][];

const peers: Peer[] = [];
const loads = new Map<Peer, Loaded>();
// One after another, so that none's load slows another's.
for (const [name, command, args] of started) {
  const peer = new Peer(name, command, args);
  loads.set(peer, await peer.loaded());
  peers.push(peer);
}
const firsts = new Map<Peer, Round>();
for (const peer of peers) firsts.set(peer, await peer.round());
for (let round = 0; round < Number(values.rounds); round++) {
  for (const peer of peers) peer.rounds.push(await peer.round());
}
const crowds = new Map<Peer, Crowded>();
for (const peer of peers) crowds.set(peer, await peer.crowded());
for (const peer of peers) peer.end();
await rm(temporary, { recursive: true });

const figures = peers.map((peer) => {
  const of = (key: keyof Round) => peer.rounds.map((round) => round[key]);
  return {
    name: peer.name,
    ...loads.get(peer)!,
    crowdedMB: crowds.get(peer)!.residentMB,
    /** Time to the first token of the first request after loading ÷ of later ones. */
    firstToken: median(of("prefill")) / firsts.get(peer)!.prefill,
    prefill: of("prefill"),
    decode: of("decode"),
    together: of("together"),
  };
});
if (values.json) console.log(JSON.stringify(figures));
else {
  const columns = [
    "",
    "load, ms",
    "resident, MB",
    `with ${CROWD} sequences`,
    "first token ÷ later",
    "prefill, tokens/s",
    "decode, tokens/s",
    "8 of 8 adapters, tokens/s",
  ];
  const span = (all: readonly number[]) =>
    `${median(all).toFixed(0)} (${Math.min(...all).toFixed(0)} to ${Math.max(...all).toFixed(0)})`;
  console.log(`| ${columns.join(" | ")} |\n|${columns.map(() => "---|").join("")}`);
  for (const { name, loadMs, residentMB: resident, crowdedMB, firstToken, prefill, decode, together } of figures) {
    const whole = [loadMs, resident, crowdedMB].map((figure) => figure.toFixed(0));
    const cells = [name, ...whole, firstToken.toFixed(2), span(prefill), span(decode), span(together)];
    console.log(`| ${cells.join(" | ")} |`);
  }
  const [own, ...others] = figures;
  for (const other of others) {
    const ratio = (key: keyof Round) => `${key} ${(median(own[key]) / median(other[key])).toFixed(2)}`;
    const load = `load ${(own.loadMs / other.loadMs).toFixed(2)}`;
    console.log(`molora ÷ ${other.name}: ${[ratio("prefill"), ratio("decode"), ratio("together"), load].join(", ")}`);
  }
}
