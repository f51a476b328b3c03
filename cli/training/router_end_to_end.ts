// `train-router --objective lm`: a trained router refined by the language-model loss, through base and adapters.
// training/ computes the gradients.

import { uploadWeights } from "../../engine/model/weights.ts";
import { MemorySource } from "../../files/source.ts";
import { nodeHost } from "../../node/host.ts";
import { readCheckpoint, writeCheckpoint } from "../../training/checkpoint.ts";
import { Composer } from "../../training/data/compose.ts";
import type { Sources } from "../../training/data/sources.ts";
import type { TrainingCurve } from "../../training/evaluation/report.ts";
import { LanguageModelTrainer } from "../../training/language_model.ts";
import { learningRate } from "../../training/optimizer/schedule.ts";
import type { TrainingText } from "../../training/training_texts.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { deviceOptions } from "../flags/common_flags.ts";
import type { ROUTER_FLAGS } from "../flags/router_flags.ts";
import type { Output } from "../terminal/output.ts";
import { formatBytes, Progress } from "../terminal/progress.ts";
import { CheckpointFiles } from "./checkpoint_files.ts";
import { writeMixtureFolder } from "./mixture_folder.ts";
import { type RouterPlan, rateOf, stepsOf } from "./router_plan.ts";
import { findCheckpoint, type RunState } from "./router_state.ts";

type Flags = FlagValues<typeof ROUTER_FLAGS>;

/** Trains and writes the mixture. Returns undefined when it was interrupted; a checkpoint is left behind then. */
export async function trainEndToEnd(
  plan: RouterPlan,
  flags: Flags,
  { out, settings }: { out: string; settings: Record<string, unknown> },
  output: Output,
  signal: AbortSignal,
): Promise<TrainingCurve | undefined> {
  const { files, experts, gates, shape, rule } = plan;
  const { config } = files;
  const described = { type: "mlp", hiddenSize: shape.hidden, belief: shape.belief, ...rule } as const;
  const device = await nodeHost().openDevice(deviceOptions(flags));
  const bar = new Progress("training", (steps) => `${Number(steps.toFixed(2))} steps`, output.streams.stderr);
  try {
    const loading = new Progress("loading", formatBytes, output.streams.stderr);
    const weights = await uploadWeights(device, config, files.tensors, {
      dtype: flags.dtype,
      onProgress: (done, total) => loading.update(done, total),
    }).finally(() => loading.finish());
    const sequences = Math.min(flags.batch, flags.atOnce);
    const training = await LanguageModelTrainer.create(device, {
      config,
      weights,
      experts: experts.map(({ name }) => plan.adapters.find((adapter) => adapter.name === name)?.layers),
      router: { ...described, layers: gates },
      auxiliary: { balance: flags.balance, z: flags.zLoss },
      optimizer: { decay: flags.decay, clip: flags.clip },
      capacity: { tokens: sequences * flags.length, sequences },
    });
    const { trainer } = training;
    const checkpoints = new CheckpointFiles<RunState>(out);
    let state: RunState = { step: 0, tokens: 0, curve: { steps: [], valid: [] }, settings };
    if (flags.resume) {
      const found = await findCheckpoint(checkpoints, settings);
      const source = new MemorySource("checkpoint", found.tensors);
      trainer.restore(await readCheckpoint(source, await trainer.state()));
      state = found.state;
    }
    const steps = stepsOf(plan, flags);
    const valid = flags.valid.length === 0 ? [] : textsOf(plan, plan.valid, flags, flags.seed + 1)(0, 2 * flags.batch);
    const texts = textsOf(plan, plan.sources, flags, flags.seed);
    const from = state.step;
    const save = async () => checkpoints.write(state, writeCheckpoint(await trainer.state()));
    while (state.step < steps && !signal.aborted) {
      const rate = learningRate(state.step, { rate: rateOf(flags), steps, warmup: flags.warmup });
      const { loss, tokens } = await trainer.step(texts(state.step * flags.batch, flags.batch), rate);
      state.step++;
      state.tokens += tokens;
      state.curve.steps.push({ step: state.step, tokens: state.tokens, loss });
      if (valid.length > 0 && (state.step % flags.validEvery === 0 || state.step === steps)) {
        state.curve.valid.push({ step: state.step, loss: await trainer.evaluate(valid) });
      }
      bar.update(state.step - from, steps - from, `loss ${loss.toFixed(3)}, ${state.tokens} tokens`);
      if (state.step % flags.checkpointEvery === 0) await save();
    }
    if (state.step < steps) {
      await save();
      return undefined;
    }
    await writeMixtureFolder(out, config, experts, { ...described, layers: await training.gates() });
    await checkpoints.remove();
    return state.curve;
  } finally {
    bar.finish();
    await device.close();
  }
}

/** Texts [first, first + count): the same whenever they are asked for. */
function textsOf(
  { tokenizer }: RouterPlan,
  sources: Sources,
  { length, mix, lossOn }: Flags,
  seed: number,
): (first: number, count: number) => TrainingText[] {
  const composer = new Composer(tokenizer, sources, { length, mix, seed });
  return (first, count) =>
    Array.from({ length: count }, (_, i) => {
      const { ids, counted } = composer.text(first + i);
      return { ids, counted: lossOn === "completions" ? counted : ids.map((_, t) => t > 0) };
    });
}
