// `molora train-adapter`: trains a LoRA on a frozen base and writes it as a PEFT folder.
// training/ computes the gradients.

import { uploadWeights } from "../../engine/model/weights.ts";
import { loadTokenizer } from "../../engine/text/tokenizer.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import { nodeHost } from "../../node/host.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type AdapterShape, freshAdapter } from "../../training/adapter_start.ts";
import { AdapterTrainer } from "../../training/adapter_trainer.ts";
import { checkTrainable } from "../../training/backward/trainable.ts";
import { addedImportance } from "../../training/importance.ts";
import { runTraining } from "../../training/run.ts";
import type { TrainingText } from "../../training/training_texts.ts";
import { defineCommand } from "../command.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { DEVICE_FLAGS, deviceOptions, MODEL_FLAGS } from "../flags/common_flags.ts";
import { choice, integer, list, number, text, toggle } from "../flags/flags.ts";
import { openBase } from "../open_base.ts";
import type { Output } from "../terminal/output.ts";
import { formatBytes, Progress } from "../terminal/progress.ts";
import { AdapterFolder, type Settings } from "../training/adapter_folder.ts";
import { readLayers, readModules } from "../training/adapter_target.ts";
import {
  type Compared,
  comparePrevious,
  openPrevious,
  type Previous,
  refuseShape,
} from "../training/previous_adapter.ts";
import { readTexts } from "../training/texts.ts";

/** Measured on nano: docs/sequences.md. */
const KEEP = 0.03;

const FLAGS = {
  model: MODEL_FLAGS.model,
  dtype: MODEL_FLAGS.dtype,
  ...DEVICE_FLAGS,
  data: list("FILE.jsonl", "Rows to learn from, .gz too"),
  valid: list("FILE.jsonl", "Rows to measure the loss on, before, during and after"),
  out: text("DIR", "Folder to write the adapter to"),
  rank: integer("N", "Rank (default: 8)", { min: 1, max: 1024 }),
  alpha: number("X", "Scale of the deltas is alpha / rank (default: 16)", { min: 0 }),
  targetModules: text("NAMES", "q_proj,v_proj,… or all-linear (default: all-linear)"),
  layers: text("LIST", "Layers to extend, as 0-3,6 (default: all)"),
  after: list("DIR", "Go on from this adapter and keep what it can; of several, from the one that fits the rows best"),
  keep: number(
    "X",
    "--after: how hard the weights that matter to what was learned before are held; 0: not at all",
    { min: 0 },
    KEEP,
  ),
  importance: integer(
    "ROWS",
    "Write which weights matter to this task, by the gradients of so many rows, for a later --after (0: do not)",
    { min: 0 },
    0,
  ),
  lr: number("X", "Highest learning rate", { min: 0 }, 5e-4),
  schedule: choice(["cosine", "constant"], "The learning rate behind the warm-up", "cosine"),
  warmup: integer("N", "Steps until the highest rate is reached", { min: 0 }, 10),
  steps: integer("N", "Steps in all (default: once through the data)", { min: 1 }),
  batch: integer("N", "Rows a step", { min: 1 }, 8),
  length: integer("N", "Tokens a row is cut at", { min: 2 }, 256),
  partTokens: integer(
    "N",
    "Tokens computed at once; a larger batch is done in parts, to the same gradient",
    { min: 2 },
    2048,
  ),
  decay: number("X", "Weight decay", { min: 0 }, 0),
  clip: number("X", "Longest gradient; a longer one is scaled down", { min: 0 }, 1),
  seed: integer("N", "Of the adapter's start and the order of the rows", { min: 0 }, 0),
  validEvery: integer("N", "Steps between validations", { min: 1 }, 100),
  validRows: integer("N", "Rows of --valid that are used", { min: 1 }, 128),
  raw: toggle("Join a prompt and its completion as they are, without the chat template"),
  onBadRow: choice(["skip", "fail"], "What to do with a line that is no row", "fail"),
  resume: toggle("Go on with the training that was interrupted in --out"),
};
type Flags = FlagValues<typeof FLAGS>;

export const command = defineCommand({
  name: "train-adapter",
  summary: "Train a LoRA on texts and write a PEFT folder",
  details: `
The loss is of completions and of assistants' turns, or of a whole {"text"}. Ctrl-C saves a checkpoint; --resume goes on
from it, to the same adapter as an uninterrupted training. The same seed gives the same adapter on the same device.
  molora train-adapter --data train.jsonl --valid valid.jsonl --out my-adapter --rank 16 --alpha 32 --steps 300
  molora generate --adapter mine=my-adapter --use mine --prompt …
A sequence of tasks, each after the one before, which it forgets less of than plain training on would:
  molora train-adapter --data sql.jsonl --out task1 --importance 32
  molora train-adapter --data code.jsonl --out task2 --after task1 --importance 32
`,
  flags: FLAGS,
  async run({ flags, output, signal }) {
    const { out } = flags;
    if (out === undefined) throw new MoloraError("bad_arguments", "--out is missing", { remedy: "Name a folder." });
    if (flags.data.length === 0) {
      throw new MoloraError("bad_arguments", "--data is missing", { remedy: "Give rows: --data FILE.jsonl." });
    }
    if (flags.after.length > 0) refuseShape(flags);
    const modules = readModules(flags.targetModules ?? "all-linear");
    const folder = new AdapterFolder(out);
    if (!flags.resume) folder.checkFree();

    const model = flags.model ?? "nano";
    const { files } = await openBase(model, output);
    const { config } = files;
    checkTrainable(config);
    const layers = flags.layers === undefined ? {} : { layers: readLayers(flags.layers, config.numLayers) };
    const shape: AdapterShape = { rank: flags.rank ?? 8, alpha: flags.alpha ?? 16, modules, ...layers };
    const length = Math.min(flags.length, config.contextLength);
    const tokenizer = loadTokenizer(files.tokenizerFiles);
    const texts = await readTexts(flags.data, tokenizer, { ...flags, length }, output);
    const valid = (await readTexts(flags.valid, tokenizer, { ...flags, length }, output)).slice(0, flags.validRows);
    if (texts.length === 0) {
      throw new MoloraError("data_invalid", `${flags.data.join(", ")}: no row has a token to learn`, {
        remedy: "Give rows whose completions begin within --length tokens.",
      });
    }

    const { before, compared } = await parentOf(flags, files, texts, length, output);
    const steps = flags.steps ?? Math.ceil(texts.length / flags.batch);
    const settings = { ...settingsOf(flags, files.hash, before), steps, texts: texts.length };
    const device = await nodeHost().openDevice(deviceOptions(flags));
    const progress = new Progress("training", stepsText, output.streams.stderr);
    try {
      const loading = new Progress(`loading ${model}`, formatBytes, output.streams.stderr);
      const weights = await uploadWeights(device, config, files.tensors, {
        dtype: flags.dtype,
        onProgress: (done, total) => loading.update(done, total),
      }).finally(() => loading.finish());
      const training = await AdapterTrainer.create(device, {
        config,
        weights,
        adapter: before?.adapter.layers ?? freshAdapter(config, shape, flags.seed),
        ...(before === undefined || flags.keep === 0
          ? {}
          : { held: { strength: flags.keep, ...(before.importance && { importance: before.importance }) } }),
        capacity: {
          tokens: Math.max(length, Math.min(flags.partTokens, flags.batch * length)),
          sequences: flags.batch,
        },
        optimizer: { decay: flags.decay, clip: flags.clip },
      });
      const { trainer } = training;
      if (flags.resume) trainer.restore(await folder.resume(settings, await trainer.state()));
      const result = await runTraining(trainer, {
        texts,
        valid,
        batch: flags.batch,
        schedule: { rate: flags.lr, steps, warmup: flags.warmup, shape: flags.schedule },
        seed: flags.seed,
        validateEvery: flags.validEvery,
        signal,
        onStep: ({ step, loss }) => progress.update(step, steps, `loss ${loss.toFixed(3)}`),
      });
      progress.finish();
      if (result.interrupted) {
        await folder.saveCheckpoint(settings, await trainer.state());
        throw new MoloraError(
          "cancelled",
          `interrupted behind step ${trainer.steps} of ${steps}; a checkpoint is saved`,
          {
            remedy: "Run the same command with --resume to go on.",
          },
        );
      }
      if (flags.importance > 0) {
        const rows = texts.slice(0, flags.importance);
        await folder.saveImportance(addedImportance(await trainer.importance(rows), before?.importance));
      }
      const after = before && [{ path: before.path, hash: before.adapter.hash }, ...before.ancestors];
      const tree = { ...(after && { after }), ...(compared && { compared }) };
      const log = { settings, ...tree, tokens: result.steps.reduce((sum, { tokens }) => sum + tokens, 0), ...result };
      await folder.saveAdapter(await training.adapter(), config, model, log);
      for (const { step, loss } of result.validations)
        output.print(`loss on --valid after ${step} steps: ${loss.toFixed(4)}`);
      const made = before === undefined ? `rank ${shape.rank} on ${modules.join(", ")}` : `the shape of ${before.path}`;
      output.print(`${out}: an adapter of ${made}`);
      output.result({ out, ...log });
    } finally {
      progress.finish();
      await device.close();
    }
  },
});

/** Which of --after the new adapter goes on from: undefined for none of them. */
async function parentOf(
  flags: Flags,
  files: ModelFiles,
  texts: readonly TrainingText[],
  length: number,
  output: Output,
): Promise<{ before: Previous | undefined; compared: Compared[] | undefined }> {
  const previous: Previous[] = [];
  for (const path of flags.after) previous.push(await openPrevious(path, files));
  let [before, compared]: [Previous | undefined, Compared[] | undefined] = [previous[0], undefined];
  if (previous.length > 1) {
    compared = await comparePrevious(previous, texts, {
      files,
      dtype: flags.dtype,
      length,
      device: deviceOptions(flags),
    });
    const best = compared.reduce((least, one) => (one.loss < least.loss ? one : least));
    before = previous.find(({ path }) => path === best.path);
    const losses = compared.map(({ path = "the base", loss }) => `${path} ${loss.toFixed(3)}`).join(", ");
    output.print(`loss on the first rows: ${losses}; goes on from ${best.path ?? "the base"}`);
  }
  if (before !== undefined && before.importance === undefined && flags.keep > 0) {
    output.note(`${before.path} does not say what matters to it (--importance): all its weights are held alike`);
  }
  return { before, compared };
}

/** The progress bar shows steps, which are whole, and steps a second, which are not. */
function stepsText(steps: number): string {
  return Number.isInteger(steps) ? String(steps) : `${steps.toPrecision(2)} steps`;
}

/** The settings that decide the result: a resumed training must have the same. */
function settingsOf(flags: Flags, base: string, before: Previous | undefined): Settings {
  const { rank = 8, alpha = 16, targetModules = "all-linear", layers = "all", keep, dtype } = flags;
  const { lr, schedule, warmup, batch, length, decay, clip, seed, raw } = flags;
  const shape = before === undefined ? { rank, alpha, targetModules, layers } : { after: before.adapter.hash, keep };
  return { base, dtype, ...shape, lr, schedule, warmup, batch, length, decay, clip, seed, raw };
}
