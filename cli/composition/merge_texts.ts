// Merges that look at texts: weights learned on them (soup, adamerging), and the inputs that darex rescales by.

import type { MergeOptions } from "../../composition/merge/merge.ts";
import { uploadWeights } from "../../engine/model/weights.ts";
import { loadTokenizer } from "../../engine/text/tokenizer.ts";
import { nodeHost } from "../../node/host.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type Learned, learnWeights, WeightLearner } from "../../training/learned_weights.ts";
import { moduleInputs } from "../../training/module_inputs.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { DEVICE_FLAGS, deviceOptions, MODEL_FLAGS } from "../flags/common_flags.ts";
import { integer, list, number } from "../flags/flags.ts";
import type { Output } from "../terminal/output.ts";
import { Progress } from "../terminal/progress.ts";
import { readTexts } from "../training/texts.ts";
import type { MergeInputs } from "./merge_inputs.ts";

export const TEXT_FLAGS = {
  dtype: MODEL_FLAGS.dtype,
  ...DEVICE_FLAGS,
  data: list("FILE.jsonl", "soup, adamerging, darex: rows to look at, .gz too"),
  steps: integer("N", "soup, adamerging: steps of learning (default: 60)", { min: 1 }),
  batch: integer("N", "soup, adamerging, darex: rows at a time (default: 8)", { min: 1 }),
  lr: number("X", "soup, adamerging: learning rate (default: 0.02)", { min: 0 }),
  length: integer("N", "soup, adamerging, darex: tokens a row is cut at (default: 128)", { min: 2 }),
};
export type TextFlags = FlagValues<typeof TEXT_FLAGS>;

/** Methods whose weights are learned, and what they are in the end: a cat with weights a module. */
export const LEARNED = { soup: "soup", adamerging: "entropy" } as const;
export type LearnedMethod = keyof typeof LEARNED;

export function isLearned(method: string): method is LearnedMethod {
  return Object.hasOwn(LEARNED, method);
}

interface Asked {
  /** What the flags say; `method` is one that needs texts. */
  method: LearnedMethod | "darex";
  seed: number;
  signal: AbortSignal;
}

/** The options that texts decide, and how learning them went. */
export async function fromTexts(
  { files, adapters }: MergeInputs,
  flags: TextFlags,
  { method, seed, signal }: Asked,
  output: Output,
): Promise<Pick<MergeOptions, "placeWeights" | "inputs"> & { learned?: Learned }> {
  if (flags.data.length === 0) {
    throw new MoloraError("bad_arguments", `${method} needs texts`, { remedy: "Give rows: --data FILE.jsonl." });
  }
  const { config } = files;
  const { batch = 8, length: wanted = 128, steps = 60, lr = 0.02 } = flags;
  const length = Math.min(wanted, config.contextLength);
  const tokenizer = loadTokenizer(files.tokenizerFiles);
  const rows = await readTexts(flags.data, tokenizer, { length, raw: false, onBadRow: "fail" }, output);
  // Without labels every token counts as well as any other.
  const texts = method === "adamerging" ? rows.map(({ ids }) => ({ ids, counted: ids.map(() => true) })) : rows;
  if (texts.length === 0)
    throw new MoloraError("data_invalid", `${flags.data.join(", ")}: no row has a token to learn`);
  const device = await nodeHost().openDevice(deviceOptions(flags));
  const progress = new Progress(
    `learning weights (${method})`,
    (done) => `${Math.round(done)} steps`,
    output.streams.stderr,
  );
  try {
    const weights = await uploadWeights(device, config, files.tensors, { dtype: flags.dtype });
    const capacity = { tokens: Math.max(length, Math.min(2048, batch * length)), sequences: batch };
    const parts = { config, weights, capacity, adapters };
    if (method === "darex") return { inputs: await moduleInputs(device, parts, texts.slice(0, batch)) };
    const learner = await WeightLearner.create(device, { ...parts, objective: LEARNED[method] });
    const onStep = (step: number, loss: number) => progress.update(step, steps, `${loss.toFixed(3)} nats`);
    const learned = await learnWeights(learner, { texts, steps, batch, rate: lr, seed, signal, onStep });
    return { placeWeights: learner.placeWeights(), learned };
  } finally {
    progress.finish();
    await device.close();
  }
}

/** @throws MoloraError `bad_arguments` for flags that a method without texts would ignore */
export function refuseTextFlags(method: string, { data, steps, batch, lr, length }: TextFlags): void {
  const given = Object.entries({ data: data.length > 0 || undefined, steps, batch, lr, length });
  const stray = given.find(([, value]) => value !== undefined);
  if (stray === undefined) return;
  throw new MoloraError(
    "bad_arguments",
    `${method} looks at no texts: --${stray[0]} is for soup, adamerging and darex`,
  );
}
