// What merging the adapters that come with a model costs by each method: seconds, processor seconds, the most memory that the
// process held beyond the loaded adapters (on Linux), and the largest single array that a layer's merge makes, beside one whole
// delta of the model's largest matrix.
// Usage: node dist/perf/merge_cost.js [--model nano|smollm2] [--methods cat,svd,…] [--threads N: other threads, as molora merge has]

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { table } from "../cli/terminal/table.ts";
import { mergeAdapters } from "../composition/merge/merge.ts";
import { evenWeight, METHOD_NAMES, type MergeMethod } from "../composition/merge/options.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { loadAdapter } from "../files/lora/load.ts";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { openPath } from "../node/files.ts";
import { openMergeCrew } from "../node/merge_crew.ts";
import { isPreset, openPreset } from "../node/presets.ts";

interface Cost {
  seconds: number;
  processor: number;
  bytes: number;
  /** Bytes of the largest array of one layer, and of a whole delta. */
  array: number;
  whole: number;
}

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "smollm2" },
    methods: {
      type: "string",
      default: "cat,svd,tsv,knots,lego,ties_svd,dare_ties_svd,magnitude_prune_svd,mergekit_ties",
    },
    threads: { type: "string", default: "0" },
    /** Measure this one, in this process. */
    one: { type: "string" },
  },
});
if (values.one === undefined) await compare();
else console.log(JSON.stringify(await cost(readMethod(values.one))));

/** Each method in a process of its own, whose memory is its alone. */
async function compare(): Promise<void> {
  const rows: string[][] = [];
  let whole = 0;
  for (const method of values.methods.split(",")) {
    const script = fileURLToPath(import.meta.url);
    const command = ["--expose-gc", script, "--model", values.model, "--threads", values.threads, "--one", method];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${method}: ${stderr}`);
    const one = JSON.parse(stdout) as Cost;
    whole = one.whole;
    const sizes = [one.bytes, one.array].map(megabytes);
    rows.push([method, one.seconds.toFixed(1), one.processor.toFixed(1), ...sizes]);
    console.error(rows.at(-1)!.join("  "));
  }
  console.log(table(["method", "seconds", "of processor", "MB beyond the adapters", "largest array, MB"], rows));
  console.log(`One whole delta of the largest matrix: ${megabytes(whole)} MB.`);
}

async function cost(method: MergeMethod): Promise<Cost> {
  if (!isPreset(values.model)) throw new Error("--model is nano or smollm2");
  const preset = await openPreset(values.model);
  const { config } = await openModelFiles(await openPath(preset.model));
  const adapters: Adapter[] = [];
  for (const [name, path] of Object.entries(preset.adapters)) {
    adapters.push(await loadAdapter(name, await openPath(path), config));
  }
  globalThis.gc?.();
  // What loading took at its most is forgotten.
  writeFileSync("/proc/self/clear_refs", "5");
  const before = mostMemory();
  const [begun, processor] = [performance.now(), process.cpuUsage()];
  const weight = evenWeight(method, adapters.length);
  const options = { method, weights: adapters.map(() => weight) };
  const threads = Number(values.threads);
  await mergeAdapters(adapters, config, options, threads > 0 ? { openCrew: () => openMergeCrew(threads) } : {});
  const { user, system } = process.cpuUsage(processor);
  const spent = { seconds: (performance.now() - begun) / 1000, processor: (user + system) / 1e6 };
  const bytes = mostMemory() - before;
  const first = adapters.map((adapter) => ({
    ...adapter,
    layers: adapter.layers.map((layer, i) => (i === 0 ? layer : {})),
  }));
  const array = await largestArray(() => mergeAdapters(first, config, options));
  return { ...spent, bytes, array, whole: 8 * config.hiddenSize * config.intermediateSize };
}

/** Bytes of the largest float64 array that is made while `run` runs. */
async function largestArray(run: () => Promise<unknown>): Promise<number> {
  const original = Float64Array;
  let largest = 0;
  globalThis.Float64Array = new Proxy(original, {
    construct(target, args, made) {
      if (typeof args[0] === "number") largest = Math.max(largest, args[0]);
      return Reflect.construct(target, args, made);
    },
  });
  await run().finally(() => {
    globalThis.Float64Array = original;
  });
  return 8 * largest;
}

/** The most that this process has held since it was last forgotten. */
function mostMemory(): number {
  return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))![1]);
}

function readMethod(name: string): MergeMethod {
  const method = METHOD_NAMES.find((known) => known === name);
  if (method === undefined) throw new Error(`--methods has ${name}, which is none of ${METHOD_NAMES.join(", ")}`);
  return method;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
