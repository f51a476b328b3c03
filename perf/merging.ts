// Every way to use several adapters at once, by the loss on each domain and on mixed texts, as one Markdown table:
//
//   node dist/perf/merging.js --model nano --data math=FILE --data sql=FILE … [--texts 64] [--methods cat,svd,…]
//     [--padded linear,ties] [--also soup=DIR]
//
// and how long each merge took. The adapters are those that come with the model. Merges are made in memory with even weights.
// --padded: methods that need equal ranks, on the adapters with ranks of zeros behind their own. --also: what `molora merge` wrote.

import { parseArgs } from "node:util";
import { markdownTable } from "../cli/composition/diagnosis_tables.ts";
import { measureCompositions } from "../cli/composition/measured.ts";
import { lossTable, measuredSentence, mergeTable } from "../cli/composition/measured_tables.ts";
import { Output } from "../cli/terminal/output.ts";
import { asAdapter } from "../composition/merge/as_adapter.ts";
import { mergeAdapters } from "../composition/merge/merge.ts";
import { evenWeight, type MergeMethod } from "../composition/merge/options.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { loadAdapter } from "../files/lora/load.ts";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { openPath } from "../node/files.ts";
import { isPreset, openPreset } from "../node/presets.ts";
import { weightText } from "../training/evaluation/compositions.ts";
import { padded } from "./padded.ts";

const METHODS =
  "cat,svd,ties_svd,dare_linear_svd,dare_ties_svd,magnitude_prune_svd,mergekit_ties,mergekit_dare_linear," +
  "mergekit_dare_ties,tsv,tsv_compress,knots,lego";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "nano" },
    data: { type: "string", multiple: true, default: [] },
    texts: { type: "string", default: "64" },
    length: { type: "string", default: "192" },
    methods: { type: "string", default: METHODS },
    padded: { type: "string", default: "" },
    also: { type: "string", multiple: true, default: [] },
    seed: { type: "string", default: "0" },
  },
});

if (!isPreset(values.model)) throw new Error("--model is nano or smollm2");
const preset = await openPreset(values.model);
const files = await openModelFiles(await openPath(preset.model));
const adapters: Adapter[] = [];
for (const [name, path] of Object.entries(preset.adapters)) {
  adapters.push(await loadAdapter(name, await openPath(path), files.config));
}
const brought: { title: string; adapter: Adapter }[] = [];
const highest = Math.max(...adapters.flatMap(({ report }) => report.ranks));
const equal = adapters.map((adapter) => padded(adapter, highest));
for (const method of values.padded.split(",").filter(Boolean) as MergeMethod[]) {
  const weight = evenWeight(method, adapters.length);
  const made = await mergeAdapters(equal, files.config, { method, weights: adapters.map(() => weight) });
  const title = `merged by ${method}, weights ${weightText(weight)}, ranks padded to ${highest}`;
  brought.push({ title, adapter: asAdapter(`${method}-padded`, made) });
}
for (const spec of values.also) {
  const [name, path] = spec.split("=");
  const adapter = await loadAdapter(`${name}-brought`, await openPath(path), files.config);
  brought.push({ title: `merged by ${name}`, adapter });
}
const measured = await measureCompositions(
  files,
  {
    adapters,
    methods: values.methods.split(",").filter(Boolean) as MergeMethod[],
    brought,
    tuning: {},
    mixture: preset.mixtures.default,
    data: values.data,
    onBadRow: "fail",
    dtype: "auto",
    on: {},
    length: Number(values.length),
    texts: Number(values.texts),
    seed: Number(values.seed),
    batch: 8,
  },
  new Output(false),
);
console.log(
  [measuredSentence(measured), ...[lossTable(measured), mergeTable(measured)].map(markdownTable)].join("\n\n"),
);
