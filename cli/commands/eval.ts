// `molora eval`: a mixture beside every simpler way to use its adapters.
// training/evaluation/ runs the ways and compares them.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DeviceOptions } from "../../engine/host.ts";
import { loadTokenizer } from "../../engine/text/tokenizer.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import type { WeightDtype } from "../../files/weights/stored/device_format.ts";
import { nodeHost } from "../../node/host.ts";
import { MoloraError } from "../../proto/errors.ts";
import { compare } from "../../training/evaluation/compare.ts";
import { toMarkdown } from "../../training/evaluation/markdown.ts";
import { toPage } from "../../training/evaluation/page.ts";
import type { EvaluationReport } from "../../training/evaluation/report.ts";
import { evaluatedTexts } from "../../training/evaluation/texts.ts";
import { FrozenModel } from "../../training/frozen/frozen_model.ts";
import { loadMixtureFolder, madeMixture } from "../../training/frozen/load.ts";
import { defineCommand } from "../command.ts";
import { DEVICE_FLAGS, deviceOptions, MODEL_FLAGS } from "../flags/common_flags.ts";
import { integer, text, toggle } from "../flags/flags.ts";
import { openBase } from "../open_base.ts";
import { FetchBar } from "../terminal/fetch_bar.ts";
import type { Output } from "../terminal/output.ts";
import { Progress } from "../terminal/progress.ts";
import { DATA_SHAPES, dataFlag, ON_BAD_ROW, readSources } from "../training/labelled_data.ts";

export const EVALUATION_FLAGS = {
  length: integer("N", "Tokens a text is cut at", { min: 8 }, 256),
  texts: integer("N", "Mixed texts to compose; of every single domain a quarter as many", { min: 1 }, 64),
  seed: integer("N", "Of the texts drawn and of the intervals", { min: 0 }, 0),
  batch: integer("N", "Texts side by side", { min: 1 }, 8),
};

export const command = defineCommand({
  name: "eval",
  summary: "Whether a mixture's routing pays: its loss beside the base, each adapter, and per-text choices",
  details: `
Prints the table and, with --out, writes report.json, report.md and report.html.
${DATA_SHAPES}
Rows that hold several domains are taken as they are; without any, mixed texts of 2 to 4 rows are composed.

  molora eval --mixture mixtures/default --data sql=sql.valid.jsonl --data base=prose.valid.jsonl --out report
`,
  flags: {
    model: MODEL_FLAGS.model,
    dtype: MODEL_FLAGS.dtype,
    ...DEVICE_FLAGS,
    mixture: text("DIR", "The mixture to judge (default: that of the embedded model)"),
    twin: text("DIR", "A memoryless mixture of the same experts to set beside it"),
    data: dataFlag("Held-out rows"),
    onBadRow: ON_BAD_ROW,
    out: text("DIR", "Where to write the report"),
    noArrow: toggle("Leave out the training-free Arrow router"),
    ...EVALUATION_FLAGS,
  },
  async run({ flags, output }) {
    const { files, preset } = await openBase(flags.model ?? "nano", output);
    const mixture = flags.mixture ?? preset?.mixtures.default;
    if (mixture === undefined) throw new MoloraError("bad_arguments", "--mixture is missing");
    const options = { ...flags, mixture, arrow: !flags.noArrow, on: deviceOptions(flags) };
    const report = await evaluateMixture(files, options, output);
    if (flags.out !== undefined) await writeReport(flags.out, report);
    output.print(toMarkdown(report));
    output.result(report);
  },
});

export interface EvaluateOptions {
  mixture: string;
  twin: string | undefined;
  arrow: boolean;
  data: readonly string[];
  onBadRow: "skip" | "fail";
  dtype: WeightDtype;
  on: DeviceOptions;
  length: number;
  texts: number;
  seed: number;
  batch: number;
}

export async function evaluateMixture(
  files: ModelFiles,
  options: EvaluateOptions,
  output: Output,
): Promise<EvaluationReport> {
  if (options.data.length === 0) {
    throw new MoloraError("bad_arguments", "there is no data", { remedy: "Give held-out rows: --data FILE.jsonl." });
  }
  const host = nodeHost(new FetchBar(output.streams.stderr).update);
  const { config } = files;
  const { mixture, adapters } = await loadMixtureFolder(host, "router", options.mixture, config);
  const experts = mixture.experts.map(({ name }) => name);
  const twin = options.twin && (await loadMixtureFolder(host, "twin", options.twin, config)).mixture;
  if (twin && twin.experts.map(({ name }) => name).join() !== experts.join()) {
    throw new MoloraError("bad_arguments", "--twin has other experts than the mixture");
  }
  const attention = adapters.some(({ layers }) => layers.some((layer) => layer.q_proj ?? layer.k_proj ?? layer.v_proj));
  const rule = { topK: 1, gate: "unit", temperature: 1 } as const;
  const arrow =
    options.arrow && attention ? madeMixture("arrow", config, mixture.experts, { type: "arrow", ...rule }) : undefined;
  const sources = await readSources(
    options.data,
    { domains: experts.includes("base") ? experts : [...experts, "base"], onBadRow: options.onBadRow },
    output,
  );
  const tokenizer = loadTokenizer(files.tokenizerFiles);
  const { length, texts: count, seed } = options;
  const texts = evaluatedTexts(tokenizer, sources, { experts, length, mix: [2, 4], texts: count, seed });
  const loading = new Progress("loading", (bytes) => `${(bytes / 1e6).toFixed(0)} MB`, output.streams.stderr);
  const model = await FrozenModel.open(host, {
    files,
    dtype: options.dtype,
    ...options.on,
    adapters,
    mixtures: [mixture, twin, arrow].filter((made) => made !== undefined && made !== ""),
    length,
    texts: options.batch,
    scored: true,
    stacked: adapters.length,
    onProgress: (done, total) => loading.update(done, total),
  }).finally(() => loading.finish());
  const scoring = new Progress("scoring", (tokens) => `${Math.round(tokens)} tokens`, output.streams.stderr);
  try {
    return await compare(model, {
      texts,
      experts,
      mixtures: { router: "router", ...(twin ? { twin: "twin" } : {}), ...(arrow ? { arrow: "arrow" } : {}) },
      seed,
      onProgress: (done, total) => scoring.update(done, total),
    });
  } finally {
    scoring.finish();
    await model.close();
  }
}

/** report.json, report.md and report.html. */
export async function writeReport(folder: string, report: EvaluationReport): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "report.json"), `${JSON.stringify(report, undefined, 2)}\n`);
  await writeFile(join(folder, "report.md"), toMarkdown(report));
  await writeFile(join(folder, "report.html"), toPage(report));
}
