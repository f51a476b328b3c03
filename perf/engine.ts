// Speed of the whole engine: load, prefill, decode, dispatches and encoding a step; routed against base, in turns; a
// mixed batch against one adapter at a time. Prints a table, and JSON lines with --json.
// Usage: node dist/perf/engine.js [--model smollm2|nano] [--rounds N] [--json]

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { decodeTogether, median, Prompts, stepsOf, timeRequest } from "../cli/bench/timing.ts";
import { Engine } from "../engine/engine.ts";
import { nodeHost } from "../node/host.ts";
import { fetchSmolLM2 } from "../node/smollm2.ts";
import type { Routing } from "../proto/api.ts";
import { adapterVariants } from "./adapter_variants.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "smollm2" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const folder = `models/${values.model}`;
const PROMPT_TOKENS = 192;
const DECODE_TOKENS = 24;

function show(name: string, figures: Record<string, number>): void {
  const rounded = Object.fromEntries(
    Object.entries(figures).map(([key, value]) => [key, Number(value.toPrecision(4))]),
  );
  if (values.json) console.log(JSON.stringify({ name, ...rounded }));
  else console.log(name.padEnd(34), ...Object.entries(rounded).map(([key, value]) => `${key} ${value}`.padEnd(22)));
}

const temporary = await mkdtemp(join(tmpdir(), "molora-perf-"));
const begun = performance.now();
const engine = await Engine.load(nodeHost(), {
  model: values.model === "smollm2" ? await fetchSmolLM2() : folder,
  mixtures: { default: `${folder}/mixtures/default` },
  adapters: await adapterVariants(folder, 32, temporary),
  poolBytes: 2 ** 30,
});
show("load, with 36 adapters", { ms: performance.now() - begun, deviceMB: engine.deviceBytes / 1e6 });

const prompts = new Prompts(engine.config.vocabSize);
const uses: [string, Routing][] = [
  ["base", {}],
  ["one adapter", { adapter: "sql" }],
  ["routed", { mixture: "default" }],
];
const prefill = new Map<string, number[]>();
const decode = new Map<string, number[]>();
const encode = new Map<string, number[]>();
for (let round = 0; round <= rounds; round++) {
  for (const [name, routing] of uses) {
    const request = { ids: prompts.next(PROMPT_TOKENS), maxTokens: DECODE_TOKENS, ...routing };
    // What the host took to encode the step before each token.
    const encoding: number[] = [];
    const at = await timeRequest(engine, request, { onToken: () => encoding.push(engine.counters.encodeMs) });
    if (round === 0) continue; // shaders compiled
    const { launches } = engine.counters;
    if (round === 1) show(`${name}: a decode step`, { launches, perLayer: launches / engine.config.numLayers });
    encode.set(name, [...(encode.get(name) ?? []), ...encoding.slice(1)]);
    prefill.set(name, [...(prefill.get(name) ?? []), at[0]]);
    decode.set(name, [...(decode.get(name) ?? []), ...stepsOf(at)]);
  }
}
for (const [name] of uses) {
  show(name, {
    prefillTokS: (PROMPT_TOKENS / median(prefill.get(name)!)) * 1000,
    decodeTokS: 1000 / median(decode.get(name)!),
    stepMs: median(decode.get(name)!),
    encodeMs: median(encode.get(name)!),
    stepOverBase: median(decode.get(name)!) / median(decode.get("base")!),
  });
}

const batches: [string, number, Routing[]][] = [
  ["B=8, U=8", 8, Array.from({ length: 8 }, (_, i) => ({ adapter: `v${i}` }))],
  ["B=32, U=4", 32, Array.from({ length: 32 }, (_, i) => ({ adapter: `v${i % 4}` }))],
  ["B=32, U=32", 32, Array.from({ length: 32 }, (_, i) => ({ adapter: `v${i}` }))],
  ["B=32 routed", 32, Array.from({ length: 32 }, () => ({ mixture: "default" }))],
];
for (const [name, size, routings] of batches) {
  const base: number[] = [];
  const mixed: number[] = [];
  for (let round = 0; round <= Math.min(rounds, 2); round++) {
    const together = { prompts, tokens: DECODE_TOKENS };
    const bases = Array.from({ length: size }, () => ({}));
    const b = await decodeTogether(engine, bases, together);
    const m = await decodeTogether(engine, routings, together);
    if (round > 0) {
      base.push(b);
      mixed.push(m);
    }
  }
  const alone = 1000 / median(decode.get("one adapter")!);
  show(name, {
    tokS: median(mixed),
    stepOverBase: median(base) / median(mixed),
    overOneAtATime: median(mixed) / alone,
  });
}
await engine.close();
await rm(temporary, { recursive: true });
process.exit(0);
