// Speed and memory of router training against its floor, one routed forward pass a token without the head.
// Token ids and labels are drawn at random. Usage: node dist/perf/training.js [--model nano|smollm2] [--rounds N]

import { parseArgs } from "node:util";
import { layer } from "../engine/model/layer.ts";
import { stepKind } from "../engine/model/step_kind.ts";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { nodeHost } from "../node/host.ts";
import { isPreset, openPreset } from "../node/presets.ts";
import { FrozenModel } from "../training/frozen/frozen_model.ts";
import { loadMixtureFolder } from "../training/frozen/load.ts";
import { uploadTexts } from "../training/frozen/texts.ts";
import { Random } from "../training/random.ts";
import { GateParameters } from "../training/router/parameters.ts";
import { type LabelledText, RouterTrainer } from "../training/router/trainer.ts";

const LENGTH = 256;
const TEXTS = 4;

/** What one way of passing over the texts took. */
interface Taken {
  wall: number[];
  processor: number[];
}

const { values: flags } = parseArgs({
  options: { model: { type: "string", default: "nano" }, rounds: { type: "string", default: "5" } },
});
await main(flags.model, Number(flags.rounds));

async function main(name: string, rounds: number): Promise<void> {
  if (!isPreset(name)) throw new Error("--model is nano or smollm2");
  const preset = await openPreset(name);
  const host = nodeHost();
  const files = await openModelFiles(await host.open(preset.model));
  const { mixture, adapters } = await loadMixtureFolder(host, "default", preset.mixtures.default, files.config);
  const { router } = mixture;
  if (router.type !== "mlp") throw new Error("the preset's router is no mlp");
  const sizes = { length: LENGTH, texts: TEXTS, scored: false };
  const model = await FrozenModel.open(host, { files, dtype: "auto", adapters, mixtures: [mixture], ...sizes });
  const texts = drawTexts(mixture.experts.length, files.config.vocabSize);
  const tokens = TEXTS * LENGTH;
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
  const ways: [string, () => Promise<unknown>][] = [
    ["forward", floor],
    // Rate 0: every round passes over the same router
    ["train", () => trainer.step(texts, 0)],
  ];
  const taken = new Map(ways.map(([way]): [string, Taken] => [way, { wall: [], processor: [] }]));
  for (const [, run] of ways) await run();
  for (let round = 0; round < rounds; round++) {
    for (const [way, run] of ways) {
      const [begun, busy] = [performance.now(), process.cpuUsage()];
      await run();
      const { user, system } = process.cpuUsage(busy);
      taken.get(way)!.wall.push(performance.now() - begun);
      taken.get(way)!.processor.push((user + system) / 1000);
    }
  }
  const results = ways.map(([way]) => {
    const { wall, processor } = taken.get(way)!;
    const [ms, busyMs] = [median(wall), median(processor)];
    return { model: name, way, tokens, ms, busyMs, tokensPerSecond: (1000 * tokens) / ms };
  });
  for (const result of results) console.log(JSON.stringify(result));
  const [forward, train] = results as [(typeof results)[number], (typeof results)[number]];
  const memory = { frozenBytes: frozen, trainingBytes: model.deviceBytes - frozen };
  console.log(
    JSON.stringify({ model: name, wall: train.ms / forward.ms, busy: train.busyMs / forward.busyMs, ...memory }),
  );
  await model.close();
}

/** All layers under the router's choices, and nothing else. */
async function forwardOnly(model: FrozenModel, texts: readonly LabelledText[]): Promise<() => Promise<unknown>> {
  const plan = { kind: "router", key: model.mixtures[0].key } as const;
  const planned = texts.map(({ ids }) => ({ ids, plan }));
  const { shape } = uploadTexts(model, planned, false);
  const stage = model.stage({ ...stepKind(shape, model.device.wishes.segments), routed: true });
  const layers = Array.from({ length: model.config.numLayers }, (_, i) => layer(stage, i));
  const program = await model.device.prepare([...stage.embed(), ...layers.flat()]);
  const { ids } = model.base.views.workspace;
  return () => model.device.run([program], uploadTexts(model, planned, false).shape, [ids]);
}

function drawTexts(experts: number, vocabSize: number): LabelledText[] {
  return Array.from({ length: TEXTS }, (_, n) => {
    const random = new Random(n);
    const targets = new Float32Array(LENGTH * experts);
    for (let t = 0; t < LENGTH; t++) targets[t * experts + (Math.floor(t / 64) % experts)] = 1;
    return { ids: Array.from({ length: LENGTH }, () => random.integer(0, vocabSize - 1)), targets };
  });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
