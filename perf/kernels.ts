// Where a step's time goes, kernel by kernel: every launch is run by itself and waited for (profiler.ts).
// Usage: node dist/perf/kernels.js [--model smollm2|nano] [--routing base|adapter|routed] [--batch N] [--prompt N]
//   [--device gpu|cpu]

import { parseArgs } from "node:util";
import { Engine } from "../engine/engine.ts";
import type { DeviceChoice } from "../engine/host.ts";
import { nodeHost } from "../node/host.ts";
import { openPreset } from "../node/presets.ts";
import type { Routing } from "../proto/api.ts";
import { Profiler, show } from "./profiler.ts";

const DECODE_TOKENS = 24;

const ROUTINGS: Record<string, Routing> = { base: {}, adapter: { adapter: "sql" }, routed: { mixture: "default" } };

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "smollm2" },
    routing: { type: "string", default: "base" },
    batch: { type: "string", default: "1" },
    prompt: { type: "string", default: "8" },
    device: { type: "string", default: "auto" },
  },
});

const routing = ROUTINGS[flags.routing];
if (routing === undefined || (flags.model !== "smollm2" && flags.model !== "nano"))
  throw new Error("--model is smollm2 or nano; --routing is base, adapter or routed");
const host = nodeHost();
const profiler = await Profiler.create(await host.openDevice({ device: flags.device as DeviceChoice }));
const engine = await Engine.load({ ...host, openDevice: async () => profiler }, await openPreset(flags.model));
const requests = Array.from({ length: Number(flags.batch) }, (_, salt) => ({
  ids: Array.from({ length: Number(flags.prompt) }, (_, i) => 20 + ((i * 37 + salt * 101) % 4000)),
  maxTokens: DECODE_TOKENS,
  ignoreEos: true,
  ...routing,
}));
const drain = async (request: (typeof requests)[number]) => {
  for await (const _ of engine.generate(request));
};
await Promise.all(requests.map(drain)); // shaders compiled
const from = profiler.steps.length;
await Promise.all(requests.map(drain));
const steps = profiler.steps.slice(from);
show(`${flags.model} ${flags.routing}, prompts of ${flags.prompt}: first step`, steps.slice(0, 1));
show(`${flags.model} ${flags.routing}, ${flags.batch} together: decode`, steps.slice(-DECODE_TOKENS + 2));
await engine.close();
process.exit(0);
