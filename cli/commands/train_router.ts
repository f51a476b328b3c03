// `molora train-router`: makes a mixture folder from adapters and labelled texts, and reports whether routing pays.
// training/router/ trains, training/evaluation/ compares.

import { loadTokenizer } from "../../engine/text/tokenizer.ts";
import { BASE_NAME } from "../../files/lora/names.ts";
import { nodeHost } from "../../node/host.ts";
import { MoloraError } from "../../proto/errors.ts";
import { checkTrainable } from "../../training/backward/trainable.ts";
import { domainsOf, type Sources } from "../../training/data/sources.ts";
import type { TrainingCurve } from "../../training/evaluation/report.ts";
import { FrozenModel } from "../../training/frozen/frozen_model.ts";
import { madeMixture } from "../../training/frozen/load.ts";
import { restoreTensors, saveTensors } from "../../training/router/checkpoint.ts";
import { GateParameters } from "../../training/router/parameters.ts";
import { runTraining } from "../../training/router/run.ts";
import { RouterTrainer } from "../../training/router/trainer.ts";
import { defineCommand } from "../command.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { deviceOptions } from "../flags/common_flags.ts";
import { ROUTER_FLAGS } from "../flags/router_flags.ts";
import { openBase } from "../open_base.ts";
import type { Output } from "../terminal/output.ts";
import { Progress } from "../terminal/progress.ts";
import { CheckpointFiles } from "../training/checkpoint_files.ts";
import { DATA_SHAPES, readSources } from "../training/labelled_data.ts";
import { writeMixtureFolder } from "../training/mixture_folder.ts";
import { trainEndToEnd } from "../training/router_end_to_end.ts";
import { gatherExperts } from "../training/router_experts.ts";
import { makeObjective, type RouterPlan, rateOf, startOf, stepsOf } from "../training/router_plan.ts";
import { findCheckpoint, type RunState } from "../training/router_state.ts";
import { evaluateMixture, writeReport } from "./eval.ts";

type Flags = FlagValues<typeof ROUTER_FLAGS>;

export const command = defineCommand({
  name: "train-router",
  summary: "Train the routers of a mixture for a frozen base and frozen adapters, and report whether routing pays",
  details: `
Domains are named like adapters; "base" is text that no adapter should touch (without any, the router never abstains).
${DATA_SHAPES}

  molora train-router --model nano --data math=math.jsonl --data sql=sql.jsonl --data base=prose.jsonl \\
    --valid math=math.valid.jsonl --valid sql=sql.valid.jsonl --out mixtures/mine

Ctrl-C writes a checkpoint; --resume goes on from it.
`,
  flags: ROUTER_FLAGS,
  async run({ flags, output, signal }) {
    const { out } = flags;
    if (out === undefined) throw new MoloraError("bad_arguments", "--out is missing");
    const plan = await prepare(flags, output);
    const settings = settingsOf(plan, flags);
    const learn = flags.objective === "lm" ? trainEndToEnd : train;
    const curve = await learn(plan, flags, { out, settings }, output, signal);
    if (curve === undefined) {
      output.note(`stopped; a checkpoint lies in ${out}. The same command with --resume goes on from it.`);
      output.result({ out, finished: false });
      return;
    }
    output.print(`The mixture lies in ${out}.`);
    const report =
      flags.noReport || flags.valid.length === 0 ? undefined : await judge(plan, flags, out, output, curve);
    output.result({ out, finished: true, curve, ...(report === undefined ? {} : { report }) });
  },
});

/** Reads and checks flags and files, so that whatever is wrong with them is found before any work. */
async function prepare(flags: Flags, output: Output): Promise<RouterPlan> {
  const { files, preset } = await openBase(flags.model ?? "nano", output);
  const { config } = files;
  checkStart(flags);
  if (flags.objective === "lm") checkTrainable(config);
  const from = flags.extend ?? flags.start;
  const brought = from === undefined && flags.adapter.length === 0 ? Object.entries(preset?.adapters ?? {}) : [];
  const given = [...flags.adapter, ...brought.map(([name, path]) => ({ name, path }))];
  if (given.length === 0 && flags.start === undefined) throw new MoloraError("bad_arguments", "--adapter is missing");
  const gathered = await gatherExperts(config, given, from, output);
  const names = gathered.experts.map(({ name }) => name);
  const labelled = flags.objective === "domain";
  const domains = labelled ? { domains: [...new Set([...names, BASE_NAME])] } : {};
  const options = { ...domains, onBadRow: flags.onBadRow };
  const sources = await readSources(flags.data, options, output);
  const valid = await readSources(flags.valid, options, output);
  const base = from === undefined && (hasDomain(sources, BASE_NAME) || !labelled);
  const experts = [...(base ? [{ name: BASE_NAME }] : []), ...gathered.experts];
  if (labelled)
    checkDomains(
      sources,
      experts.map(({ name }) => name),
      given.map(({ name }) => name),
      flags,
    );
  if (labelled && !hasDomain(sources, BASE_NAME)) {
    output.note(`remark: no row of domain "${BASE_NAME}": the router will never choose to leave the base as it is.`);
  }
  if (sources.byDomain.size === 0 && sources.whole.length === 0) {
    throw new MoloraError("data_invalid", "there is nothing to train on", { remedy: "Give rows: --data FILE.jsonl." });
  }
  const tokenizer = loadTokenizer(files.tokenizerFiles);
  const start = startOf(config, gathered.extended, experts.length, flags);
  return { files, tokenizer, experts, adapters: gathered.adapters, sources, valid, ...start };
}

/** Checks that training end to end starts from a mixture, and only that. */
function checkStart({ objective, start, extend, adapter }: Flags): void {
  if (objective === "lm" && start === undefined) {
    throw new MoloraError("bad_arguments", "--objective lm needs --start", {
      remedy: "Train a router by --objective domain or distill first, then --start its folder.",
    });
  }
  if (start === undefined) return;
  const other = extend !== undefined ? "--extend" : adapter.length > 0 ? "--adapter" : undefined;
  if (objective === "lm" && other === undefined) return;
  throw new MoloraError("bad_arguments", `--start goes with --objective lm${other ? `, not with ${other}` : ""}`, {
    remedy: "The mixture that is started from brings its experts.",
  });
}

function hasDomain(sources: Sources, domain: string): boolean {
  return sources.byDomain.has(domain) || sources.whole.some((row) => domainsOf(row).has(domain));
}

/** Checks that every expert has texts. When a mixture is extended, only the new experts need them. */
function checkDomains(sources: Sources, experts: readonly string[], given: readonly string[], flags: Flags): void {
  const needed = flags.extend === undefined ? experts : given;
  const empty = needed.find((name) => !hasDomain(sources, name));
  if (empty !== undefined) {
    throw new MoloraError("data_invalid", `no row of --data has the domain "${empty}"`, {
      remedy: `Give some: --data ${empty}=FILE.jsonl, or leave the adapter out.`,
      details: { domain: empty, domains: [...sources.byDomain.keys()] },
    });
  }
}

/** Trains and writes the mixture. Returns undefined when it was interrupted; a checkpoint is left behind then. */
async function train(
  plan: RouterPlan,
  flags: Flags,
  { out, settings }: { out: string; settings: Record<string, unknown> },
  output: Output,
  signal: AbortSignal,
): Promise<TrainingCurve | undefined> {
  const { files, experts, adapters, gates, shape, rule } = plan;
  const described = { type: "mlp", hiddenSize: shape.hidden, belief: shape.belief, ...rule } as const;
  const mixture = madeMixture(
    "trained",
    files.config,
    experts.map(({ name, adapter }) => ({ name, adapter: adapter?.path, sha256: adapter?.sha256 })),
    { ...described, layers: gates },
  );
  const loading = new Progress("loading", (bytes) => `${(bytes / 1e6).toFixed(0)} MB`, output.streams.stderr);
  const model = await FrozenModel.open(nodeHost(), {
    files,
    dtype: flags.dtype,
    ...deviceOptions(flags),
    adapters,
    mixtures: [mixture],
    length: flags.length,
    texts: Math.min(flags.batch, flags.atOnce),
    scored: flags.objective === "distill",
    onProgress: (done, total) => loading.update(done, total),
  }).finally(() => loading.finish());
  const bar = new Progress("training", (steps) => `${Number(steps.toFixed(2))} steps`, output.streams.stderr);
  try {
    const parameters = new GateParameters(model.device, shape, gates);
    const { decay, clip } = flags;
    const rows = plan.rows === undefined ? {} : { rows: plan.rows };
    const trainer = await RouterTrainer.create(model, model.mixtures[0], parameters, { decay, clip, ...rows });
    const checkpoints = new CheckpointFiles<RunState>(out);
    let state: RunState = { step: 0, tokens: 0, curve: { steps: [], valid: [] }, settings };
    if (flags.resume) {
      const found = await findCheckpoint(checkpoints, settings);
      await restoreTensors(trainer, found.tensors, found.state.step);
      state = found.state;
    }
    const objective = makeObjective(plan, plan.sources, model, flags, flags.seed);
    const held = makeObjective(plan, plan.valid, model, flags, flags.seed + 1);
    const valid = flags.valid.length === 0 ? [] : await held.texts(0, 2 * flags.batch);
    const { batch, warmup, validEvery } = flags;
    const steps = stepsOf(plan, flags);
    const rate = rateOf(flags);
    const run = { objective, from: state.step, steps, batch, rate, warmup, valid, validEvery };
    const { from } = run;
    const save = async () => checkpoints.write(state, await saveTensors(trainer));
    for await (const { step, report, valid: fit } of runTraining(trainer, { ...run, signal })) {
      state.step = step;
      state.tokens += report.tokens;
      state.curve.steps.push({ step, tokens: state.tokens, loss: report.loss, agreement: report.agreement });
      if (fit !== undefined) state.curve.valid.push({ step, loss: fit.loss, agreement: fit.agreement });
      bar.update(step - from, run.steps - from, remark(report, state));
      if (step % flags.checkpointEvery === 0) await save();
    }
    if (state.step < run.steps) {
      await save();
      return undefined;
    }
    await writeMixtureFolder(out, files.config, experts, { ...described, layers: await parameters.read() });
    await checkpoints.remove();
    return state.curve;
  } finally {
    bar.finish();
    await model.close();
  }
}

/** The progress bar's remark: the last step, and the held-out texts when they were last evaluated. */
function remark({ loss, agreement }: { loss: number; agreement: number }, { tokens, curve }: RunState): string {
  const valid = curve.valid.at(-1);
  const held = valid === undefined ? "" : `; held out ${valid.loss.toFixed(3)}, ${valid.agreement?.toFixed(3)}`;
  return `loss ${loss.toFixed(3)}, agreement ${agreement.toFixed(3)}${held}; ${tokens} tokens`;
}

/** Flags that a resumed run may change: they do not decide the result. */
const FREE = new Set([
  "resume",
  "checkpointEvery",
  "validEvery",
  "valid",
  "texts",
  "noReport",
  "out",
  "onBadRow",
  "json",
]);
/** Flags whose files are compared by their content. */
const FILES = new Set(["model", "adapter", "data"]);

/** The settings that a resumed run must have in common with the one before. */
function settingsOf({ files, adapters, experts, sources }: RouterPlan, flags: Flags): Record<string, unknown> {
  return {
    ...Object.fromEntries(Object.entries(flags).filter(([name]) => !FREE.has(name) && !FILES.has(name))),
    base: files.hash,
    experts: experts.map(({ name }) => name),
    adapters: adapters.map(({ hash }) => hash),
    rows: [...sources.byDomain].map(([domain, items]) => [domain, items.length]),
  };
}

async function judge(plan: RouterPlan, flags: Flags, out: string, output: Output, curve: TrainingCurve) {
  const { valid: data, onBadRow, dtype, length, texts, seed, batch } = flags;
  const options = {
    mixture: out,
    twin: undefined,
    arrow: true,
    data,
    onBadRow,
    dtype,
    length,
    texts,
    seed,
    batch,
    on: deviceOptions(flags),
  };
  const report = { ...(await evaluateMixture(plan.files, options, output)), training: curve };
  await writeReport(out, report);
  output.print(`${report.headline}\nThe report lies beside it: report.html, report.md, report.json.`);
  return report;
}
