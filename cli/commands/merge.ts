// `molora merge`: several adapters become one PEFT folder, or part of the base itself.

import { type MergeOptions, mergeAdapters, planMerge } from "../../composition/merge/merge.ts";
import { METHOD_NAMES, settleTuning } from "../../composition/merge/options.ts";
import { precisionWarnings } from "../../composition/precision.ts";
import { openMergeCrew } from "../../node/merge_crew.ts";
import { MoloraError } from "../../proto/errors.ts";
import { defineCommand } from "../command.ts";
import { METHODS_TEXT, TUNING_FLAGS, tuningOf } from "../composition/merge_flags.ts";
import { type MergeInputs, openInputs } from "../composition/merge_inputs.ts";
import { mergeIntoBase } from "../composition/merge_into_base.ts";
import { fromTexts, isLearned, refuseTextFlags, TEXT_FLAGS } from "../composition/merge_texts.ts";
import { checkFree, writeMergedAdapter, writeReport } from "../composition/merged_folder.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { MODEL_FLAGS } from "../flags/common_flags.ts";
import { choice, list, text, toggle } from "../flags/flags.ts";
import { weightedAdapters } from "../flags/weighted_adapters.ts";
import type { Output } from "../terminal/output.ts";
import { Progress } from "../terminal/progress.ts";

const FLAGS = {
  model: MODEL_FLAGS.model,
  adapter: weightedAdapters("An adapter and its weight (default: 1); negative weights take it away"),
  method: choice([...METHOD_NAMES, "soup", "adamerging"], "How they become one", "svd"),
  out: text("DIR", "Folder to write to"),
  ...TUNING_FLAGS,
  ...TEXT_FLAGS,
  type: choice(
    ["auto", "f32", "f16", "bf16", "q8_0"],
    "Stored numbers (auto: f32; --into-base: as stored, a GGUF in f16)",
    "auto",
  ),
  intoBase: toggle("Write the whole base with the merge in it, which any program runs"),
  format: choice(["auto", "safetensors", "gguf"], "--into-base: kind of file (auto: that of the base)", "auto"),
  trainedOn: list("name=PRECISION", "An adapter's base was quantised in training: a=nf4, a=q4_0"),
  anyBase: toggle("Merge though the adapters name different bases"),
};
type Flags = FlagValues<typeof FLAGS>;

export const command = defineCommand({
  name: "merge",
  summary: "Merge adapters into one PEFT folder, or into the base",
  details: `
Ranks, modules and stored numbers of the adapters may differ. Methods:
${METHODS_TEXT}
  soup                cat with weights a module learned on --data (LoRA Soups)
  adamerging          the same without labels, by the entropy of what is predicted
The rank of svd, *_svd and lego is the adapters' highest unless --rank says otherwise; that of tsv, knots and of what is
computed on whole deltas is the sum of theirs. merge.json in the folder says what was done. The same seed gives the same.

  molora merge --method ties_svd --density 0.3 --adapter math=adapters/math:0.7 --adapter sql=adapters/sql --out merged
  molora merge --method cat --adapter polite=adapters/polite:-0.5 --into-base --format gguf --type q8_0 --out blunt
`,
  flags: FLAGS,
  async run({ flags, output, signal }) {
    const { out } = flags;
    if (out === undefined) throw new MoloraError("bad_arguments", "--out is missing", { remedy: "Name a folder." });
    checkTypes(flags);
    await checkFree(out, flags.intoBase);
    const inputs = await openInputs(flags, output);
    const { files, adapters, provenances } = inputs;
    const { options, learned: went } = await optionsOf(flags, inputs, output, signal);
    const precisions = await precisionWarnings(adapters, provenances, { ...files, method: options.method });
    const report = flags.intoBase
      ? await intoBase(out, inputs, options, flags, output)
      : await intoAdapter(out, inputs, options, flags, { output, signal });
    const learned =
      went === undefined ? {} : { learned: { ...went, weights: Object.fromEntries(options.placeWeights!) } };
    const whole = { ...report, method: flags.method, ...learned, warnings: [...precisions, ...report.warnings] };
    await writeReport(out, whole);
    for (const warning of whole.warnings) output.note(`warning: ${warning}`);
    output.result({ out, ...whole });
  },
});

/** What the flags say, and what texts say where the method looks at them. */
async function optionsOf(flags: Flags, inputs: MergeInputs, output: Output, signal: AbortSignal) {
  const { method } = flags;
  const tuning = tuningOf(flags);
  if (!isLearned(method)) {
    const options: MergeOptions = { method, weights: inputs.weights, ...tuning };
    if (method !== "darex") {
      refuseTextFlags(method, flags);
      return { options, learned: undefined };
    }
    settleTuning(method, tuning);
    const { inputs: seen } = await fromTexts(inputs, flags, { method, seed: flags.seed ?? 0, signal }, output);
    return { options: { ...options, ...(seen === undefined ? {} : { inputs: seen }) }, learned: undefined };
  }
  const { seed = 0, ...more } = tuning;
  settleTuning("cat", more);
  if (inputs.weights.some((weight) => weight !== 1)) {
    throw new MoloraError("bad_arguments", `${method} learns the weights: leave them out of --adapter`);
  }
  const { placeWeights, learned } = await fromTexts(inputs, flags, { method, seed, signal }, output);
  const [before, after] = learned!.firstRows.map((nats) => nats.toFixed(3));
  output.print(`${method}: the first rows had ${before} nats before learning, and have ${after} with what was learned`);
  const options: MergeOptions = { method: "cat", ...(placeWeights === undefined ? {} : { placeWeights }) };
  return { options, learned };
}

async function intoAdapter(
  out: string,
  { files, adapters, provenances }: MergeInputs,
  options: MergeOptions,
  { type, model = "nano", threads }: Flags,
  { output, signal }: { output: Output; signal: AbortSignal },
) {
  const progress = new Progress("merging", (done) => `${Math.round(done)} matrices`, output.streams.stderr);
  const merged = await mergeAdapters(adapters, files.config, options, {
    onPlace: (done, total) => progress.update(done, total),
    signal,
    openCrew: () => openMergeCrew(threads),
  }).finally(() => progress.finish());
  const baseModel = provenances.find((one) => one.baseModel !== undefined)?.baseModel ?? model;
  const stored = type === "auto" || type === "q8_0" ? "f32" : type;
  await writeMergedAdapter(out, merged, files.config, { baseModel, type: stored });
  const { places, ranks, lost } = merged.report;
  output.print(`${out}: ${adapters.length} adapters as one of rank ${ranks.join(", ")}, ${places} matrices`);
  if (lost !== undefined) {
    output.print(
      `Written as a LoRA it lacks ${percent(lost.all)} of the merge, at worst ${percent(lost.worst)} (${lost.at}).`,
    );
  }
  return merged.report;
}

async function intoBase(out: string, inputs: MergeInputs, options: MergeOptions, flags: Flags, output: Output) {
  const { files, basePath, adapters } = inputs;
  const plan = planMerge(adapters, files.config, options);
  const { type, format } = flags;
  const { roundedAway } = await mergeIntoBase(plan, { basePath, files, out, format, type }, output);
  output.print(`${out}: the base with ${adapters.length} adapters in it, ${plan.places.length} matrices changed`);
  output.print(`Rounding to the stored type took ${percent(roundedAway)} of what they add.`);
  return {
    method: options.method,
    adapters: adapters.map(({ name, hash }, i) => ({ name, hash, weight: options.weights?.[i] ?? 1 })),
    tuning: plan.told,
    places: plan.places.length,
    intoBase: { roundedAway },
    warnings: [...plan.warnings],
  };
}

function checkTypes({ intoBase, type, format }: Flags): void {
  if (!intoBase && type === "q8_0") {
    throw new MoloraError("bad_arguments", "an adapter is not stored in q8_0", { remedy: "Take f32, f16 or bf16." });
  }
  if (!intoBase && format !== "auto") throw new MoloraError("bad_arguments", "--format is for --into-base");
}

function percent(share: number): string {
  return `${(100 * share).toPrecision(2)} %`;
}
