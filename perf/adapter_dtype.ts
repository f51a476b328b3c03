// Adapters held as f32, f16 and q8_0: what it does to their texts' loss, how many bytes it saves, and how fast they are then.
// Usage: node dist/perf/adapter_dtype.js [--model nano|smollm2] --data NAME=FILE.jsonl[.gz] … [--texts N] [--rounds N]
// NAME: the adapter whose texts these are.

import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { median, Prompts, speedTogether, timeRequest } from "../cli/bench/timing.ts";
import { Engine } from "../engine/engine.ts";
import { nodeHost } from "../node/host.ts";
import { openPreset, type PresetName } from "../node/presets.ts";
import type { TokenLogprob } from "../proto/api.ts";
import { ADAPTER_DTYPES, type AdapterDtype } from "../shaders/lora/adapter_dtype.ts";
import { type RenderedRow, renderRow } from "../training/data/render.ts";
import { parseRow } from "../training/data/rows.ts";
import { adapterVariants } from "./adapter_variants.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "nano" },
    data: { type: "string", multiple: true, default: [] },
    texts: { type: "string", default: "16" },
    rounds: { type: "string", default: "5" },
  },
});
/** Longest text, in tokens. */
const LENGTH = 256;
/** Sequences side by side, of an adapter each, and tokens of each. */
const TOGETHER = 8;
const DECODED = 24;

const preset = await openPreset(values.model as PresetName);
const temporary = await mkdtemp(join(tmpdir(), "molora-dtype-"));
const variants = await adapterVariants(`models/${values.model}`, TOGETHER, temporary);

interface Held {
  dtype: AdapterDtype;
  engine: Engine;
  rounds: { tokensPerSecond: number; processorMs: number }[];
}

const held: Held[] = [];
for (const dtype of ADAPTER_DTYPES) {
  const { model, adapters } = preset;
  const options = { model, adapters: { ...adapters, ...variants }, adapterDtype: dtype, contextLength: 512 };
  held.push({ dtype, engine: await Engine.load(nodeHost(), options), rounds: [] });
}
const [{ engine: exact }] = held;

/** Texts of an adapter's domain, as its training renders them. */
function textsOf(file: string): RenderedRow[] {
  const bytes = readFileSync(file);
  const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  const lines = text.split("\n").slice(0, Number(values.texts));
  return lines
    .filter((line) => line !== "")
    .map((line, i) => renderRow(exact.tokenizer, parseRow(line, `${file}:${i + 1}`)));
}

async function logprobsOf(engine: Engine, adapter: string, row: RenderedRow): Promise<TokenLogprob[]> {
  const ids = row.ids.slice(0, LENGTH);
  for await (const event of engine.generate({ ids, maxTokens: 0, promptLogprobs: 1, adapter })) {
    if (event.type === "done") return event.promptLogprobs!.filter((_, t) => row.counted[t + 1]);
  }
  throw new Error("a text ended without its log-probabilities");
}

console.log(
  "| adapter | dtype | bytes | ÷ f32 | loss, nats a token | Δ loss | largest Δ of a token | same best token |",
);
console.log("|---|---|---|---|---|---|---|---|");
for (const pair of values.data) {
  const [adapter, file] = pair.split(/=(.*)/);
  const texts = textsOf(file);
  const wide: TokenLogprob[] = [];
  for (const row of texts) wide.push(...(await logprobsOf(exact, adapter, row)));
  const lossOf = (all: readonly TokenLogprob[]) => -all.reduce((sum, { logprob }) => sum + logprob, 0) / all.length;
  const bytesOf = ({ engine }: Held) => engine.listNames().find(({ name }) => name === adapter)!.bytes;
  for (const each of held) {
    const all: TokenLogprob[] = [];
    for (const row of texts) all.push(...(await logprobsOf(each.engine, adapter, row)));
    const furthest = Math.max(...all.map(({ logprob }, i) => Math.abs(logprob - wide[i].logprob)));
    const same = all.filter(({ top }, i) => top[0].id === wide[i].top[0].id).length / all.length;
    const bytes = bytesOf(each);
    const share = (bytes / bytesOf(held[0])).toFixed(3);
    const off = (lossOf(all) - lossOf(wide)).toExponential(1);
    const cells = [adapter, each.dtype, bytes, share, lossOf(all).toFixed(4), off, furthest.toExponential(1)];
    console.log(`| ${[...cells, `${(100 * same).toFixed(2)} %`].join(" | ")} |`);
  }
}

const prompts = new Prompts(exact.config.vocabSize);
for (let round = -1; round < Number(values.rounds); round++) {
  for (const { engine, rounds } of round % 2 === 0 ? held : held.toReversed()) {
    const worked = process.cpuUsage();
    const asked = Object.keys(variants).map((adapter) => ({ ids: prompts.next(8), maxTokens: DECODED, adapter }));
    const times = await Promise.all(asked.map((request) => timeRequest(engine, request)));
    const { user, system } = process.cpuUsage(worked);
    const processorMs = (user + system) / 1000 / (TOGETHER * DECODED);
    if (round >= 0) rounds.push({ tokensPerSecond: speedTogether(times), processorMs });
  }
}
console.log(
  `\n| dtype | ${TOGETHER} sequences of ${TOGETHER} adapters, tokens/s | processor, ms a token |\n|---|---|---|`,
);
for (const { dtype, rounds } of held) {
  const speed = median(rounds.map(({ tokensPerSecond }) => tokensPerSecond));
  const processor = median(rounds.map(({ processorMs }) => processorMs));
  console.log(`| ${dtype} | ${speed.toFixed(0)} | ${processor.toFixed(2)} |`);
}
for (const { engine } of held) await engine.close();
await rm(temporary, { recursive: true });
