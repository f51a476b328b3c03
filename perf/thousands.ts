// Thousands of adapters on one server, over real WebSockets: S-LoRA's load (perf/serving/workload.ts) on seeded adapters of
// mixed ranks. Prints Markdown; with --out, also JSON and plots. Usage: node dist/perf/thousands.js [--only same,capacity,
// arrivals,tiers,crowd] [--count N] [--model nano|smollm2] [--requests N] [--seconds N] [--rounds N] [--pool-mib N] [--rate N] [--out DIR]

import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { openPath } from "../node/files.ts";
import { fetchSmolLM2 } from "../node/smollm2.ts";
import { makeFolders } from "./serving/adapter_folders.ts";
import { arrivals } from "./serving/arrivals.ts";
import type { Bench } from "./serving/bench.ts";
import { beyondCapacity } from "./serving/beyond_capacity.ts";
import { crowd } from "./serving/crowd.ts";
import { markdown, plots, type Thousands } from "./serving/report.ts";
import { sameSet } from "./serving/same_set.ts";
import { tiers } from "./serving/tiers.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "same,capacity,arrivals,tiers,crowd" },
    count: { type: "string", default: "2000" },
    model: { type: "string", default: "nano" },
    requests: { type: "string", default: "400" },
    seconds: { type: "string", default: "30" },
    rounds: { type: "string", default: "5" },
    "pool-mib": { type: "string", default: "96" },
    rate: { type: "string" },
    out: { type: "string" },
  },
});
const isSmall = values.model === "nano";
const model = isSmall ? "models/nano" : await fetchSmolLM2();
const { config } = await openModelFiles(await openPath(model));
const directory = join(tmpdir(), `molora-thousands-${values.model}`);
const modules = isSmall ? (["q_proj", "k_proj", "v_proj", "o_proj"] as const) : (["q_proj", "v_proj"] as const);
const count = Number(values.count);
const note = (line: string) => console.error(line);

note(`making what is missing of ${count} folders in ${directory}`);
makeFolders({ directory, count, modules, config });

const bench: Bench = {
  model,
  directory,
  count,
  poolBytes: Number(values["pool-mib"]) * 2 ** 20,
  requests: Number(values.requests),
  seconds: Number(values.seconds),
  ...(values.rate === undefined ? {} : { rate: Number(values.rate) }),
  prompt: [8, 64],
  output: [8, 32],
  note,
};
const result: Thousands = { model: values.model, registered: count };
const experiments = {
  same: async () => ({ same: await sameSet(bench, Number(values.rounds)) }),
  capacity: async () => ({ capacity: await beyondCapacity(bench) }),
  arrivals: async () => ({ arrivals: await arrivals(bench) }),
  tiers: async () => ({ tiers: await tiers(bench) }),
  crowd: async () => ({ crowd: await crowd(bench, isSmall ? "models/nano/mixtures/default" : undefined) }),
};
for (const [name, run] of Object.entries(experiments)) {
  if (!values.only.split(",").includes(name)) continue;
  Object.assign(result, await run());
  if (values.out !== undefined) write(values.out);
}
console.log(markdown(result));

/** After each experiment: who ends this early has those before. */
function write(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "thousands.json"), JSON.stringify(result));
  writeFileSync(join(folder, "thousands.md"), markdown(result));
  for (const [name, svg] of plots(result)) writeFileSync(join(folder, name), svg);
}
