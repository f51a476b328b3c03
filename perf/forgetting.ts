// What a sequence of four tasks leaves of the earlier ones: the loss on every domain after each task, for plain sequential training of one
// LoRA, --after with two strengths, keyed experts (an adapter and a key a task) and routing (an adapter a task, a trained router).
// Usage: node dist/perf/forgetting.js DATA OUT [minutes: 8] [steps: 30]
// DATA has a folder for each domain with train.jsonl.gz and valid.jsonl.gz. What lies in OUT already is not trained again: where the
// minutes are over, it reports what is there, and the same command goes on.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { readRows } from "../cli/training/data_file.ts";
import type { RoutePlan } from "../engine/scheduler/sequence.ts";
import { loadTokenizer } from "../engine/text/tokenizer.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { nodeHost } from "../node/host.ts";
import type { Mixture } from "../router/mixture.ts";
import { renderRow } from "../training/data/render.ts";
import { FrozenModel } from "../training/frozen/frozen_model.ts";
import { loadAdapterFolder, loadMixtureFolder } from "../training/frozen/load.ts";
import { TextScorer } from "../training/frozen/score.ts";
import { type TrainingText, trainingText } from "../training/training_texts.ts";

const NANO = "models/nano";
const TASKS = ["code", "medical", "math", "sql"];
const KEEPS = ["0.03", "0.3"];
const LENGTH = 96;
/** Rows of each domain that are trained on, and that the loss is measured on. */
const [TRAINED, MEASURED] = [600, 24];

const [data, out, minutes = "8", steps = "30"] = process.argv.slice(2);
if (out === undefined) throw new Error("usage: node dist/perf/forgetting.js DATA OUT [minutes] [steps]");
const ends = performance.now() + 60_000 * Number(minutes);

const rows = (domain: string) => join(out, "data", `${domain}.jsonl`);
const at = (name: string) => join(out, name);
mkdirSync(join(out, "data"), { recursive: true });
for (const domain of [...TASKS, "general"]) await cutRows(domain);
for (const [i, task] of TASKS.entries()) {
  train(`own-${task}`, task, []);
  if (i === 0) continue;
  const before = (kind: string) => (i === 1 ? at(`own-${TASKS[0]}`) : at(`${kind}-${TASKS[i - 1]}`));
  train(`sequential-${task}`, task, ["--after", before("sequential"), "--keep", "0"]);
  for (const keep of KEEPS) train(`keep${keep}-${task}`, task, ["--after", before(`keep${keep}`), "--keep", keep]);
}
for (let learned = 1; learned <= TASKS.length; learned++) {
  const known = TASKS.slice(0, learned);
  const experts = known.flatMap((task) => ["--adapter", `${task}=${at(`own-${task}`)}`]);
  const texts = [...known, "base"].flatMap((task) => ["--data", `${task}=${rows(task === "base" ? "general" : task)}`]);
  molora(`keyed-${learned}`, ["make-router", "--type", "keys", ...experts, ...texts, "--length", String(LENGTH)]);
  const plain = ["--objective", "domain", "--steps", "24", "--length", "128", "--no-report"];
  molora(`routed-${learned}`, ["train-router", ...experts, ...texts, ...plain]);
}
await report();

function train(name: string, task: string, more: readonly string[]): void {
  const shape = more.length === 0 ? ["--rank", "8", "--alpha", "16"] : [];
  const size = ["--steps", steps, "--batch", "8", "--length", String(LENGTH), "--lr", "3e-3", "--warmup", "4"];
  const followed = more.length === 0 ? task === TASKS[0] : name.startsWith("keep");
  const importance = followed ? ["--importance", "32"] : [];
  molora(name, ["train-adapter", "--data", rows(task), ...shape, ...size, ...importance, ...more]);
}

/** Runs a command that writes the folder OUT/name, unless it is there. */
function molora(name: string, args: readonly string[]): void {
  const done = ["training.json", "mixture.json"].some((file) => existsSync(join(at(name), file)));
  if (done) return;
  if (performance.now() > ends || isMissing(args)) return;
  const begun = performance.now();
  const again = existsSync(join(at(name), "checkpoint.safetensors")) ? ["--resume"] : [];
  execFileSync(process.execPath, ["bin/molora.mjs", ...args, ...again, "--out", at(name)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  console.error(`${name}: ${((performance.now() - begun) / 1000).toFixed(0)} s`);
}

/** Whether a command goes on from a folder that the minutes did not suffice for. */
function isMissing(args: readonly string[]): boolean {
  return args.some((arg) => arg.includes(`${out}/`) && !existsSync(arg.slice(arg.indexOf("=") + 1)));
}

function isThere(name: string): boolean {
  return existsSync(at(name));
}

async function cutRows(domain: string): Promise<void> {
  if (existsSync(rows(domain))) return;
  const file = createWriteStream(rows(domain));
  let count = 0;
  for await (const row of readRows(join(data, domain, "train.jsonl.gz"))) {
    file.write(`${JSON.stringify(row)}\n`);
    if (++count === TRAINED) break;
  }
  file.end();
  await once(file, "finish");
}

async function report(): Promise<void> {
  const host = nodeHost();
  const files = await openModelFiles(await host.open(NANO));
  const tokenizer = loadTokenizer(files.tokenizerFiles);
  const texts: TrainingText[][] = [];
  for (const domain of TASKS) {
    const found: TrainingText[] = [];
    for await (const row of readRows(join(data, domain, "valid.jsonl.gz"))) {
      const text = trainingText(renderRow(tokenizer, row), LENGTH);
      if (text !== undefined) found.push(text);
      if (found.length === MEASURED) break;
    }
    texts.push(found);
  }
  const adapters: Adapter[] = [];
  const load = async (name: string, as: string) =>
    adapters.push({ ...(await loadAdapterFolder(host, as, at(name), files.config)), name: as });
  for (const task of TASKS) if (isThere(`own-${task}`)) await load(`own-${task}`, task);
  for (const kind of ["sequential", ...KEEPS.map((keep) => `keep${keep}`)]) {
    for (const task of TASKS.slice(1)) {
      if (isThere(`${kind}-${task}`)) await load(`${kind}-${task}`, `${kind}-${task}`);
    }
  }
  const mixtures: Mixture[] = [];
  for (const kind of ["keyed", "routed"]) {
    for (let n = 1; n <= TASKS.length; n++) {
      if (!isThere(`${kind}-${n}`)) continue;
      mixtures.push((await loadMixtureFolder(host, `${kind}-${n}`, at(`${kind}-${n}`), files.config)).mixture);
    }
  }
  const common = { files, dtype: "auto", length: LENGTH, texts: 4, scored: true } as const;
  const model = await FrozenModel.open(host, { ...common, adapters, mixtures });
  const scorer = new TextScorer(model);
  const lossesOf = async (plan: RoutePlan): Promise<number[]> => {
    const losses: number[] = [];
    for (const some of texts) {
      const scored = await scorer.score(
        some.map(({ ids }) => ids),
        { kind: "plan", plan },
      );
      let [sum, tokens] = [0, 0];
      for (const [i, { logprobs }] of scored.entries()) {
        for (const [t, logprob] of logprobs.entries()) {
          if (!some[i].counted[t + 1]) continue;
          sum -= logprob;
          tokens++;
        }
      }
      losses.push(sum / tokens);
    }
    return losses;
  };
  const alone = (name: string): RoutePlan | undefined => {
    const found = model.adapters.find((adapter) => adapter.name === name);
    return found && { kind: "fixed", entries: [{ key: found.key, weight: 1 }] };
  };
  const routed = (name: string): RoutePlan | undefined => {
    const found = model.mixtures.find((mixture) => mixture.name === name);
    return found && { kind: "router", key: found.key };
  };
  const sequence = (kind: string) => (n: number) => alone(n === 1 ? TASKS[0] : `${kind}-${TASKS[n - 1]}`);
  const kinds: [title: string, plan: (n: number) => RoutePlan | undefined][] = [
    ["sequential", sequence("sequential")],
    ...KEEPS.map((keep): [string, (n: number) => RoutePlan | undefined] => [
      `--after, --keep ${keep}`,
      sequence(`keep${keep}`),
    ]),
    ["keyed experts", (n) => routed(`keyed-${n}`)],
    ["routed", (n) => routed(`routed-${n}`)],
  ];
  console.log(`| | after | ${TASKS.join(" | ")} | mean | forgotten |`);
  console.log(`|---|---|${"---:|".repeat(TASKS.length + 2)}`);
  row("base", "", await lossesOf({ kind: "none" }));
  for (const [title, planOf] of kinds) {
    // The loss on each task when it was learned: what comes on top of it later was forgotten.
    const learned: number[] = [];
    for (let n = 1; n <= TASKS.length; n++) {
      const plan = planOf(n);
      if (plan === undefined) break;
      const losses = await lossesOf(plan);
      learned.push(losses[n - 1]);
      const lost = learned.slice(0, -1).map((loss, i) => losses[i] - loss);
      row(title, TASKS[n - 1], losses, lost);
    }
  }
  await model.close();
}

function row(title: string, after: string, losses: readonly number[], lost: readonly number[] = []): void {
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  const forgotten = lost.length === 0 ? "" : (lost.reduce((sum, loss) => sum + loss, 0) / lost.length).toFixed(3);
  console.log(
    `| ${[title, after, ...losses.map((loss) => loss.toFixed(3)), mean.toFixed(3), forgotten].join(" | ")} |`,
  );
}
