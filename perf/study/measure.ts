// Merges the study's adapters in every set by every method, and measures each member's task: a line a set, appended.
// What is in the file already is not measured again.
// Usage: node dist/perf/study/measure.js DATA ZOO FILE.jsonl [--minutes N] [--texts 8] [--model nano|smollm2]
// Of the zoo those are taken that lie in ZOO; the four that come with the model always are.

import { existsSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Diagnosis, diagnose } from "../../composition/diagnose/diagnose.ts";
import { asAdapter } from "../../composition/merge/as_adapter.ts";
import { type MergeOptions, mergeAdapters } from "../../composition/merge/merge.ts";
import { loadTokenizer } from "../../engine/text/tokenizer.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { type ModelFiles, openModelFiles } from "../../files/model_files/model_files.ts";
import { nodeHost } from "../../node/host.ts";
import { isPreset, openPreset } from "../../node/presets.ts";
import { renderRow } from "../../training/data/render.ts";
import { parseRow } from "../../training/data/rows.ts";
import { FrozenModel } from "../../training/frozen/frozen_model.ts";
import { loadAdapterFolder } from "../../training/frozen/load.ts";
import { TextScorer } from "../../training/frozen/score.ts";
import { type TrainingText, trainingText } from "../../training/training_texts.ts";
import { readStudy, type SetRecord, type WeightMeasures } from "./record.ts";
import { setsOf } from "./sets.ts";
import { rowsOf } from "./tasks.ts";
import { ZOO } from "./zoo.ts";

/** Ways of merging that an adapter's rank does not keep out. */
const WAYS: Readonly<Record<string, (count: number) => MergeOptions>> = {
  sum: () => ({ method: "cat" }),
  average: (count) => ({ method: "cat", weights: even(count) }),
  tsv: (count) => ({ method: "tsv", weights: even(count) }),
  knots: () => ({ method: "knots" }),
};
/** Those on A's and B's apart: only for sets of equal ranks. */
const APART: typeof WAYS = {
  linear: (count) => ({ method: "linear", weights: even(count) }),
  ties: () => ({ method: "ties" }),
  dare_ties: () => ({ method: "dare_ties" }),
};

const LENGTH = 96;
/** Validation rows that training reported on come before these. */
const FIRST_ROW = 32;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: "string", default: "1000" },
    texts: { type: "string", default: "8" },
    model: { type: "string", default: "nano" },
  },
});
const [data, zoo, file] = positionals;
if (file === undefined) throw new Error("usage: node dist/perf/study/measure.js DATA ZOO FILE.jsonl [--minutes N]");
const end = performance.now() + 60_000 * Number(values.minutes);

if (!isPreset(values.model)) throw new Error("--model is nano or smollm2");
/** Sets whose merges are on the device at once; a run that is cut short has written those before. */
const TOGETHER = values.model === "nano" ? 6 : 1;
const preset = await openPreset(values.model);
const members = ZOO.filter(([name]) => name in preset.adapters || existsSync(join(zoo, name, "adapter_config.json")));
const files = await openModelFiles(await nodeHost().open(preset.model));
const texts = await readTexts(files);
const adapters = new Map<string, Adapter>();
for (const [name] of members) {
  const path = preset.adapters[name] ?? join(zoo, name);
  adapters.set(name, await loadAdapterFolder(nodeHost(), name, path, files.config));
}
const taskOf = new Map(members);
if (!existsSync(file)) await appendFile(file, `${JSON.stringify({ adapters: await alone() })}\n`);
const done = new Set((await readStudy(file)).sets.map(({ members }) => members.join()));
const left = setsOf(members.map(([name]) => name)).filter((set) => !done.has(set.join()));
console.error(`${done.size} sets are measured, ${left.length} are left`);
for (let first = 0; first < left.length && performance.now() < end; first += TOGETHER) {
  const records = await measured(left.slice(first, first + TOGETHER));
  await appendFile(file, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  console.error(`${first + records.length} of ${left.length}`);
}

async function readTexts({ tokenizerFiles }: ModelFiles): Promise<Map<string, TrainingText[]>> {
  const tokenizer = loadTokenizer(tokenizerFiles);
  const found = new Map<string, TrainingText[]>();
  for (const task of new Set(members.map(([, name]) => name))) {
    const rows = await rowsOf(data, task, "valid", [FIRST_ROW, Number(values.texts)]);
    found.set(
      task,
      rows.flatMap((row, i) => {
        const rendered = renderRow(tokenizer, parseRow(JSON.stringify(row), `${task} row ${i}`));
        return trainingText(rendered, LENGTH) ?? [];
      }),
    );
  }
  return found;
}

async function alone() {
  return withModel([...adapters.values()], async (loss) => {
    const records = [];
    for (const [name, task] of members) {
      records.push({ name, task, base: await loss(undefined, task), alone: await loss(name, task) });
    }
    return records;
  });
}

async function measured(sets: readonly (readonly string[])[]): Promise<SetRecord[]> {
  const merged: Adapter[] = [];
  for (const [s, members] of sets.entries()) {
    const loras = members.map((name) => adapters.get(name)!);
    for (const [way, options] of Object.entries(waysOf(loras))) {
      merged.push(asAdapter(`${s}.${way}`, await mergeAdapters(loras, files.config, options)));
    }
  }
  return withModel(merged, async (loss) => {
    const records: SetRecord[] = [];
    for (const [s, members] of sets.entries()) {
      const loras = members.map((name) => adapters.get(name)!);
      const losses: SetRecord["losses"] = {};
      for (const way of Object.keys(waysOf(loras))) {
        losses[way] = [];
        for (const name of members) losses[way].push(await loss(`${s}.${way}`, taskOf.get(name)!));
      }
      const diagnosis = await diagnose(loras, files.config);
      records.push({ members: [...members], ...weightsOf(diagnosis), losses });
    }
    return records;
  });
}

function waysOf(loras: readonly Adapter[]): Record<string, MergeOptions> {
  const ranks = new Set(loras.flatMap(({ report }) => report.ranks));
  const ways = Object.entries(ranks.size === 1 ? { ...WAYS, ...APART } : WAYS);
  return Object.fromEntries(ways.map(([way, options]) => [way, options(loras.length)]));
}

/** `run` gets what measures the mean loss of a loaded adapter, or of the base, on a task's texts. */
async function withModel<T>(
  loaded: readonly Adapter[],
  run: (loss: (name: string | undefined, task: string) => Promise<number>) => Promise<T>,
): Promise<T> {
  const options = { files, dtype: "auto", mixtures: [], length: LENGTH, texts: 8, scored: true } as const;
  const model = await FrozenModel.open(nodeHost(), { ...options, adapters: loaded });
  try {
    const scorer = new TextScorer(model);
    return await run(async (name, task) => {
      const entries =
        name === undefined ? [] : [{ key: model.adapters.find((one) => one.name === name)!.key, weight: 1 }];
      const plan = name === undefined ? ({ kind: "none" } as const) : ({ kind: "fixed", entries } as const);
      const own = texts.get(task)!;
      const scored = await scorer.score(
        own.map(({ ids }) => ids),
        { kind: "plan", plan },
      );
      let [sum, tokens] = [0, 0];
      for (const [i, { logprobs }] of scored.entries()) {
        for (const [t, logprob] of logprobs.entries()) {
          if (!own[i].counted[t + 1]) continue;
          sum -= logprob;
          tokens++;
        }
      }
      return sum / tokens;
    });
  } finally {
    await model.close();
  }
}

function weightsOf({ adapters: own, pairs, set }: Diagnosis): { measures: WeightMeasures; drowned: number[] } {
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const drowned = own.map((_, i) =>
    Math.max(
      0,
      ...pairs.map(({ first, second, drownsFirst, drownsSecond }) =>
        first === i ? drownsFirst : second === i ? drownsSecond : 0,
      ),
    ),
  );
  return {
    measures: {
      ...set,
      signConflict: mean(pairs.map(({ signConflict }) => signConflict)),
      // Adapters that share no matrix have no pair, and nothing between them.
      cosine: Math.min(...(pairs.length > 0 ? pairs.map(({ cosine }) => cosine) : [0])),
      inputAlignment: mean(pairs.map(({ inputAlignment }) => inputAlignment)),
      outputAlignment: mean(pairs.map(({ outputAlignment }) => outputAlignment)),
      drowns: Math.max(...drowned),
      normRatio: Math.max(1, ...pairs.map(({ normRatio }) => 1 / normRatio)),
    },
    drowned,
  };
}

function even(count: number): number[] {
  return Array.from({ length: count }, () => 1 / count);
}
