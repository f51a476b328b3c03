// The measured half of a diagnosis: adapters merged by several methods, stacked and routed, each scored on texts of every
// domain. Merges are made in memory with even weights.

import { asAdapter } from "../../composition/merge/as_adapter.ts";
import { type MergeReport, mergeAdapters, planMerge } from "../../composition/merge/merge.ts";
import { evenWeight, METHODS, type MergeMethod, type MergeTuning } from "../../composition/merge/options.ts";
import type { DeviceOptions } from "../../engine/host.ts";
import { loadTokenizer } from "../../engine/text/tokenizer.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { plainAdapter } from "../../files/lora/compressed_adapter.ts";
import { BASE_NAME } from "../../files/lora/names.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import type { WeightDtype } from "../../files/weights/stored/device_format.ts";
import { nodeHost } from "../../node/host.ts";
import { openMergeCrew } from "../../node/merge_crew.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type CompositionReport, compareCompositions, weightText } from "../../training/evaluation/compositions.ts";
import { evaluatedTexts } from "../../training/evaluation/texts.ts";
import { FrozenModel } from "../../training/frozen/frozen_model.ts";
import { loadMixtureFolder } from "../../training/frozen/load.ts";
import type { Output } from "../terminal/output.ts";
import { Progress } from "../terminal/progress.ts";
import { readSources } from "../training/labelled_data.ts";

export interface MeasureOptions {
  adapters: readonly Adapter[];
  methods: readonly MergeMethod[];
  /** Each method takes of it what it has. */
  tuning: MergeTuning;
  /** Folder of a mixture; its experts may be adapters beside those measured. */
  mixture: string | undefined;
  data: readonly string[];
  onBadRow: "skip" | "fail";
  dtype: WeightDtype;
  on: DeviceOptions;
  length: number;
  texts: number;
  seed: number;
  batch: number;
  /** Adapters made elsewhere out of these, measured beside the merges. */
  brought?: readonly { title: string; adapter: Adapter }[];
  signal?: AbortSignal;
}

export interface Measured extends CompositionReport {
  merges: { method: MergeMethod; weight: number; seconds: number; report: MergeReport }[];
}

/** @throws MoloraError what merging, reading data and the device throw; before anything is computed where it can be known */
export async function measureCompositions(
  files: ModelFiles,
  options: MeasureOptions,
  output: Output,
): Promise<Measured> {
  const { config } = files;
  const { methods, data, onBadRow, dtype, on, length, texts: count, seed, batch, brought = [], signal } = options;
  const adapters = options.adapters.map(plainAdapter);
  const names = adapters.map(({ name }) => name);
  const plans = methods.map((method) => ({ method, merge: mergeOptions(method, adapters.length, options.tuning) }));
  for (const { merge } of plans) planMerge(adapters, config, merge);
  const routed = await openMixture(files, options.mixture, adapters);
  const experts = [...names, BASE_NAME];
  const sources = await readSources(data, { domains: experts, onBadRow }, output);
  const tokenizer = loadTokenizer(files.tokenizerFiles);
  const texts = evaluatedTexts(tokenizer, sources, { experts, length, mix: [2, 4], texts: count, seed });
  if (texts.length === 0) {
    throw new MoloraError("data_invalid", `${data.join(", ")}: there is no text to measure on`, {
      remedy: "Give rows of the adapters' domains, of at least 8 tokens each.",
    });
  }

  // No adapter that was given has this name.
  const longest = Math.max(...[...names, ...routed.adapters.map(({ name }) => name)].map(({ length }) => length));
  const nameOf = (method: MergeMethod) => `${method}${"-".repeat(longest)}`;
  const merges: Measured["merges"] = [];
  const merged: Adapter[] = [];
  for (const { method, merge } of plans) {
    const progress = new Progress(
      `merging by ${method}`,
      (done) => `${done.toFixed(0)} matrices`,
      output.streams.stderr,
    );
    const begun = performance.now();
    const made = await mergeAdapters(adapters, config, merge, {
      onPlace: (done, total) => progress.update(done, total),
      openCrew: () => openMergeCrew(on.threads),
      ...(signal === undefined ? {} : { signal }),
    }).finally(() => progress.finish());
    const seconds = (performance.now() - begun) / 1000;
    merges.push({ method, weight: merge.weights[0], seconds, report: made.report });
    merged.push(asAdapter(nameOf(method), made));
  }

  const loading = new Progress("loading", (bytes) => `${(bytes / 1e6).toFixed(0)} MB`, output.streams.stderr);
  const model = await FrozenModel.open(nodeHost(), {
    files,
    dtype,
    ...on,
    adapters: [...adapters, ...routed.adapters, ...merged, ...brought.map(({ adapter }) => adapter)],
    mixtures: routed.mixtures,
    length,
    texts: batch,
    scored: true,
    stacked: adapters.length,
    onProgress: (done, total) => loading.update(done, total),
  }).finally(() => loading.finish());
  const scoring = new Progress("scoring", (tokens) => `${Math.round(tokens)} tokens`, output.streams.stderr);
  try {
    const report = await compareCompositions(model, {
      texts,
      experts,
      adapters: names,
      merges: [
        ...merges.map(({ method, weight }) => ({
          name: method,
          title: `merged by ${method}, weights ${weightText(weight)}`,
          adapter: nameOf(method),
        })),
        ...brought.map(({ title, adapter: { name } }) => ({ name, title, adapter: name })),
      ],
      ...(routed.mixtures.length === 0 ? {} : { mixture: routed.mixtures[0].name }),
      seed,
      onProgress: (done, total) => {
        scoring.update(done, total);
        signal?.throwIfAborted();
      },
    });
    return { ...report, merges };
  } finally {
    scoring.finish();
    await model.close();
  }
}

function mergeOptions(method: MergeMethod, count: number, tuning: MergeTuning) {
  if (method === "darex") {
    throw new MoloraError(
      "bad_arguments",
      "darex rescales by texts, and a diagnosis measures on texts it has not seen",
      {
        remedy: "Merge by molora merge --method darex with other rows, and measure the folder by molora score.",
      },
    );
  }
  const taken = Object.entries(tuning).filter(([name]) => METHODS[method].takes.includes(name as keyof MergeTuning));
  const weight = evenWeight(method, count);
  return {
    method,
    weights: Array.from({ length: count }, () => weight),
    ...(Object.fromEntries(taken) as MergeTuning),
  };
}

/** The mixture, and the adapters of its experts that are not among `adapters`. */
async function openMixture({ config }: ModelFiles, path: string | undefined, adapters: readonly Adapter[]) {
  if (path === undefined) return { mixtures: [], adapters: [] };
  const loaded = await loadMixtureFolder(nodeHost(), "routed", path, config);
  for (const expert of loaded.adapters) {
    const own = adapters.find(({ name }) => name === expert.name);
    if (own === undefined || own.hash === expert.hash) continue;
    throw new MoloraError(
      "bad_arguments",
      `the mixture's expert "${expert.name}" is another adapter than the one given`,
      {
        remedy: "Give the mixture's own adapter under that name, or the other one under another name.",
      },
    );
  }
  const others = loaded.adapters.filter((expert) => !adapters.some(({ name }) => name === expert.name));
  return { mixtures: [loaded.mixture], adapters: others };
}
