// Every way to use several adapters at once, by the loss on each domain and on mixed texts, as one Markdown table:
//
//   node dist/perf/merging.js --model nano --data math=FILE --data sql=FILE … [--texts 64] [--methods cat,svd,…]
//
// Merges are made in memory with weights of 1/n, and of 1 where the method itself averages.

import { parseArgs } from "node:util";
import { Output } from "../cli/terminal/output.ts";
import { readSources } from "../cli/training/labelled_data.ts";
import { mergeAdapters } from "../composition/merge/merge.ts";
import type { MergeMethod } from "../composition/merge/options.ts";
import type { RoutePlan } from "../engine/scheduler/sequence.ts";
import { loadTokenizer } from "../engine/text/tokenizer.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { loadAdapter } from "../files/lora/load.ts";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { openPath } from "../node/files.ts";
import { nodeHost } from "../node/host.ts";
import { openPreset, type PRESETS } from "../node/presets.ts";
import { type Figures, measurePolicies } from "../training/evaluation/measure.ts";
import { adaptersByLabel, type Losses, textHindsight } from "../training/evaluation/policies.ts";
import { evaluatedTexts } from "../training/evaluation/texts.ts";
import { FrozenModel } from "../training/frozen/frozen_model.ts";
import { loadMixtureFolder } from "../training/frozen/load.ts";
import { type Choice, TextScorer } from "../training/frozen/score.ts";

/** Those that average what they merge take weights of 1, all others 1/n. */
const AVERAGING: ReadonlySet<string> = new Set(["ties_svd", "dare_ties_svd", "mergekit_ties", "knots", "lego", "tsv"]);
const METHODS = "cat,svd,ties_svd,dare_linear_svd,dare_ties_svd,magnitude_prune_svd,mergekit_ties,tsv,knots,lego";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "nano" },
    data: { type: "string", multiple: true, default: [] },
    texts: { type: "string", default: "64" },
    length: { type: "string", default: "192" },
    methods: { type: "string", default: METHODS },
    seed: { type: "string", default: "0" },
  },
});

const seed = Number(values.seed);
const length = Number(values.length);
const host = nodeHost();
const preset = await openPreset(values.model as (typeof PRESETS)[number]);
const files = await openModelFiles(await openPath(preset.model));
const { config } = files;
const adapters: Adapter[] = [];
for (const [name, path] of Object.entries(preset.adapters)) {
  adapters.push(await loadAdapter(name, await openPath(path), config));
}
const { mixture } = await loadMixtureFolder(host, "router", preset.mixtures.default, config);

const merges: { title: string; adapter: Adapter; seconds: number }[] = [];
const told = (line: string) => process.stderr.write(`${line}\n`);
for (const method of values.methods.split(",") as MergeMethod[]) {
  const begun = performance.now();
  const weight = AVERAGING.has(method) ? 1 : 1 / adapters.length;
  const { layers } = await mergeAdapters(adapters, config, { method, weights: adapters.map(() => weight) });
  const seconds = (performance.now() - begun) / 1000;
  const report = { ...adapters[0].report, name: method, hash: method };
  merges.push({
    title: `${method}, weights ${weight}`,
    adapter: { name: method, hash: method, layers, report },
    seconds,
  });
  told(`${method}: ${seconds.toFixed(1)} s`);
}

const experts = mixture.experts.map(({ name }) => name);
const domains = experts.includes("base") ? experts : [...experts, "base"];
const sources = await readSources(values.data, { domains, onBadRow: "fail" }, new Output(false));
const options = { experts, length, mix: [2, 4], texts: Number(values.texts), seed } as const;
const texts = evaluatedTexts(loadTokenizer(files.tokenizerFiles), sources, options);
const all = [...adapters, ...merges.map(({ adapter }) => adapter)];
const frozen = { files, dtype: "auto", adapters: all, mixtures: [mixture], length, texts: 8, scored: true } as const;
const model = await FrozenModel.open(host, { ...frozen, stacked: adapters.length });
try {
  const scorer = new TextScorer(model);
  const ids = texts.map((text) => text.ids);
  const lossesUnder = async (choice: Choice): Promise<Losses> =>
    (await scorer.score(ids, choice)).map(({ logprobs }) => logprobs.map((logprob) => -logprob));
  const planned = (plan: RoutePlan) => lossesUnder({ kind: "plan", plan });
  const keyOf = (name: string) => model.adapters.find((adapter) => adapter.name === name)!.key;
  const stack = (weight: number) =>
    planned({ kind: "fixed", entries: adapters.map(({ name }) => ({ key: keyOf(name), weight })) });
  const alone = (name: string) => planned({ kind: "fixed", entries: [{ key: keyOf(name), weight: 1 }] });

  const figures: Figures = [];
  const add = (name: string, title: string, losses: Losses) => {
    figures.push({ name, title, all: losses, completions: losses });
    told(`${title}: scored`);
  };
  add("base", "base", await planned({ kind: "none" }));
  for (const { name } of adapters) add(`adapter ${name}`, `${name} throughout`, await alone(name));
  for (const { title, adapter } of merges) add(adapter.name, title, await alone(adapter.name));
  add("stack", `stacked, weights ${1 / adapters.length}`, await stack(1 / adapters.length));
  add("stack 1", "stacked, weights 1", await stack(1));
  const singles = figures.slice(0, 1 + adapters.length).map((figure) => figure.all);
  const completions = textHindsight(
    singles,
    texts.map(({ completion }) => completion),
  );
  add("text-hindsight", "per text, best adapter with hindsight", completions);
  const keys = experts.map((name) => (name === "base" ? undefined : keyOf(name)));
  add("label", "right adapter by label", await lossesUnder({ kind: "given", adapters: adaptersByLabel(texts, keys) }));
  add("router", "routed per token", await planned({ kind: "router", key: model.mixtures[0].key }));
  print(measurePolicies(texts, figures, seed));
} finally {
  await model.close();
}

/** Completions' loss in nats a token, with its 95 % interval. */
function print(policies: ReturnType<typeof measurePolicies>): void {
  const sets = Object.keys(policies[0].sets);
  console.log(`| ${["completions' loss, nats a token", ...sets].join(" | ")} |`);
  console.log(`|---|${sets.map(() => "---:").join("|")}|`);
  for (const { title, sets: measured } of policies) {
    const cells = sets.map((set) => {
      const { value, low, high } = measured[set].completions.loss;
      return `${value.toFixed(3)} (${low.toFixed(2)}–${high.toFixed(2)})`;
    });
    console.log(`| ${title} | ${cells.join(" | ")} |`);
  }
}
