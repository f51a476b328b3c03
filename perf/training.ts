// Speed and memory of router training against its floor, one routed forward pass a token without the head: the routers
// alone under given labels (domain), and end to end under the language-model loss (lm).
// Token ids and labels are drawn at random. Usage: node dist/perf/training.js [--model nano|smollm2] [--rounds N]
//   [--texts N] [--length N] [--device gpu|cpu] [--threads N] [--kernels]: where a step's time goes instead

import { parseArgs } from "node:util";
import type { Device } from "../engine/device/device.ts";
import type { DeviceChoice, Host } from "../engine/host.ts";
import { layer } from "../engine/model/layer.ts";
import { stepKind } from "../engine/model/step_kind.ts";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { nodeHost } from "../node/host.ts";
import { isPreset, openPreset } from "../node/presets.ts";
import { FrozenModel } from "../training/frozen/frozen_model.ts";
import { loadMixtureFolder } from "../training/frozen/load.ts";
import { intoSteps, uploadTexts } from "../training/frozen/texts.ts";
import { LanguageModelTrainer } from "../training/language_model.ts";
import { Random } from "../training/random.ts";
import { GateParameters } from "../training/router/parameters.ts";
import { type LabelledText, RouterTrainer } from "../training/router/trainer.ts";
import { median, Profiler, show } from "./profiler.ts";

/** What one way of passing over the texts took. */
interface Taken {
  wall: number[];
  processor: number[];
}

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "nano" },
    rounds: { type: "string", default: "5" },
    texts: { type: "string", default: "4" },
    length: { type: "string", default: "256" },
    device: { type: "string", default: "auto" },
    threads: { type: "string" },
    kernels: { type: "boolean", default: false },
  },
});
const LENGTH = Number(flags.length);
const TEXTS = Number(flags.texts);
await main(flags.model, Number(flags.rounds));

async function main(name: string, rounds: number): Promise<void> {
  if (!isPreset(name)) throw new Error("--model is nano or smollm2");
  const preset = await openPreset(name);
  const profilers: Profiler[] = [];
  const host = hostOf(profilers);
  const files = await openModelFiles(await host.open(preset.model));
  const { mixture, adapters } = await loadMixtureFolder(host, "default", preset.mixtures.default, files.config);
  const { router } = mixture;
  if (router.type !== "mlp") throw new Error("the preset's router is no mlp");
  const sizes = { length: LENGTH, texts: TEXTS, scored: false };
  const model = await FrozenModel.open(host, { files, dtype: "auto", adapters, mixtures: [mixture], ...sizes });
  const texts = drawTexts(mixture.experts.length, files.config.vocabSize);
  const frozen = model.deviceBytes;

  const floor = await forwardOnly(model, texts);
  const { layers, hiddenSize: hidden, belief } = router;
  const shape = {
    layers: layers.length,
    inputs: files.config.hiddenSize,
    hidden,
    experts: mixture.experts.length,
    belief,
  };
  const gates = new GateParameters(model.device, shape, layers);
  const trainer = await RouterTrainer.create(model, model.mixtures[0]!, gates, { clip: 1 });
  const domain = model.deviceBytes;
  const wholeModel = await LanguageModelTrainer.create(model.device, {
    config: files.config,
    weights: model.base.views.weights,
    experts: mixture.experts.map((expert) => adapters.find((adapter) => adapter.name === expert.name)?.layers),
    router,
    auxiliary: { balance: 0.01, z: 0.001 },
    optimizer: { clip: 1 },
    capacity: { tokens: TEXTS * LENGTH, sequences: TEXTS },
  });
  const counted = texts.map(({ ids }) => ({ ids, counted: ids.map((_, t) => t > 0) }));
  const ways: [string, () => Promise<unknown>][] = [
    ["forward", floor],
    // Rate 0: every round passes over the same router
    ["domain", () => trainer.step(texts, 0)],
    ["lm", () => wholeModel.trainer.step(counted, 0)],
  ];
  for (const [, run] of ways) await run();
  if (flags.kernels) await profile(name, ways, profilers[0]!);
  else await measure(name, ways, rounds);
  const memory = { frozenBytes: frozen, domainBytes: domain - frozen, lmBytes: model.deviceBytes - domain };
  console.log(JSON.stringify({ model: name, device: model.device.description, ...memory }));
  await model.close();
  process.exit(0);
}

function hostOf(profilers: Profiler[]): Host {
  const host = nodeHost();
  const threads = flags.threads === undefined ? {} : { threads: Number(flags.threads) };
  const openDevice = async (): Promise<Device> => {
    const device = await host.openDevice({ device: flags.device as DeviceChoice, ...threads });
    if (!flags.kernels) return device;
    profilers.push(await Profiler.create(device));
    return profilers[0]!;
  };
  return { ...host, openDevice };
}

/** Rounds of all ways in turns; then each way's medians, and what it takes against the first. */
async function measure(name: string, ways: readonly [string, () => Promise<unknown>][], rounds: number): Promise<void> {
  const taken = new Map(ways.map(([way]): [string, Taken] => [way, { wall: [], processor: [] }]));
  for (let round = 0; round < rounds; round++) {
    for (const [way, run] of ways) {
      const [begun, busy] = [performance.now(), process.cpuUsage()];
      await run();
      const { user, system } = process.cpuUsage(busy);
      taken.get(way)!.wall.push(performance.now() - begun);
      taken.get(way)!.processor.push((user + system) / 1000);
    }
  }
  const tokens = TEXTS * LENGTH;
  const results = ways.map(([way]) => {
    const [ms, busyMs] = [median(taken.get(way)!.wall), median(taken.get(way)!.processor)];
    return { model: name, way, tokens, ms, busyMs, tokensPerSecond: (1000 * tokens) / ms };
  });
  const [floor] = results;
  for (const result of results) {
    const times = { wall: result.ms / floor!.ms, busy: result.busyMs / floor!.busyMs };
    console.log(JSON.stringify({ ...result, timesForward: times }));
  }
}

async function profile(
  name: string,
  ways: readonly [string, () => Promise<unknown>][],
  profiler: Profiler,
): Promise<void> {
  for (const [way, run] of ways) {
    const from = profiler.steps.length;
    await run();
    show(`${name}, ${way}, ${TEXTS} texts of ${LENGTH} tokens`, [merged(profiler.steps.slice(from))]);
  }
}

/** What several programs took together. */
function merged(steps: Profiler["steps"]): Profiler["steps"][number] {
  const all: Profiler["steps"][number] = new Map();
  for (const [label, { ms, launches }] of steps.flatMap((step) => [...step])) {
    const before = all.get(label) ?? { ms: 0, launches: 0 };
    all.set(label, { ms: before.ms + ms, launches: before.launches + launches });
  }
  return all;
}

/** All layers under the router's choices, and nothing else, in as many steps as training takes. */
async function forwardOnly(model: FrozenModel, texts: readonly LabelledText[]): Promise<() => Promise<unknown>> {
  const plan = { kind: "router", key: model.mixtures[0].key } as const;
  const { tokens, entries } = model.capacity;
  const stage = model.stage(stepKind({ tokens, rows: 0, entries, routed: true }, model.device.wishes.tiles));
  const layers = Array.from({ length: model.config.numLayers }, (_, i) => layer(stage, i));
  const program = await model.device.prepare([...stage.embed(), ...layers.flat()]);
  const { ids } = model.base.views.workspace;
  return async () => {
    for (const step of intoSteps(texts, model, (text) => text.ids.length)) {
      const planned = step.texts.map((text) => ({ ids: text.ids, plan }));
      await model.device.run([program], uploadTexts(model, planned, false).shape, [ids]);
    }
  };
}

function drawTexts(experts: number, vocabSize: number): LabelledText[] {
  return Array.from({ length: TEXTS }, (_, n) => {
    const random = new Random(n);
    const targets = new Float32Array(LENGTH * experts);
    for (let t = 0; t < LENGTH; t++) targets[t * experts + (Math.floor(t / 64) % experts)] = 1;
    return { ids: Array.from({ length: LENGTH }, () => random.integer(0, vocabSize - 1)), targets };
  });
}
