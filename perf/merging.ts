// Every way to use several adapters at once, by the loss on each domain and on mixed texts, as one Markdown table:
//
//   node dist/perf/merging.js --model nano --data math=FILE --data sql=FILE … [--texts 64] [--methods cat,svd,…]
//
// and how long each merge took. The adapters are those that come with the model. Merges are made in memory with even weights.

import { parseArgs } from "node:util";
import { markdownTable } from "../cli/composition/diagnosis_tables.ts";
import { measureCompositions } from "../cli/composition/measured.ts";
import { lossTable, measuredSentence, mergeTable } from "../cli/composition/measured_tables.ts";
import { Output } from "../cli/terminal/output.ts";
import type { MergeMethod } from "../composition/merge/options.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { loadAdapter } from "../files/lora/load.ts";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { openPath } from "../node/files.ts";
import { isPreset, openPreset } from "../node/presets.ts";

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
const measured = await measureCompositions(
  files,
  {
    adapters,
    methods: values.methods.split(",") as MergeMethod[],
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
