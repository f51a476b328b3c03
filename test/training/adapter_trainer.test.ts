// Training an adapter: the losses PEFT's own training has from the same start, the folder it ends in, and going on.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelConfig } from "../../files/families/config.ts";
import { type LoraModuleName, moduleShape } from "../../files/families/modules.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import { writePeftAdapter } from "../../files/lora/peft_write.ts";
import { MemorySource, type SourceFolder } from "../../files/source.ts";
import { freshAdapter } from "../../training/adapter_start.ts";
import { AdapterTrainer } from "../../training/adapter_trainer.ts";
import { readCheckpoint, writeCheckpoint } from "../../training/checkpoint.ts";
import { addedImportance } from "../../training/importance.ts";
import { learningRate } from "../../training/optimizer/schedule.ts";
import { cutBatch, drawBatch, type TrainingText, trainingText, weighted } from "../../training/training_texts.ts";
import { onHostDevice } from "../host_device.ts";
import { readTraining, type StepsFixture, tinyModel } from "./tiny_model.ts";

const fixture = readTraining<StepsFixture>("steps");

/** The adapter PEFT began with: its A, and B = 0. */
function start(config: ModelConfig): Adapter["layers"] {
  const layers: Adapter["layers"] = Array.from({ length: config.numLayers }, () => ({}));
  for (const [name, a] of Object.entries(fixture.a)) {
    const [layer, module] = name.split(".") as [string, LoraModuleName];
    const b = new Float32Array(moduleShape(config, module)[0] * fixture.rank);
    layers[Number(layer)][module] = {
      rank: fixture.rank,
      scale: fixture.alpha / fixture.rank,
      a: Float32Array.from(a),
      b,
    };
  }
  return layers;
}

/** The fixture's weights are 1 over the number of counted tokens, or 0. */
const batches = fixture.batches.map((batch) =>
  batch.map(({ ids, weights }): TrainingText => ({ ids: [...ids], counted: [false, ...weights.map((w) => w > 0)] })),
);
const { decay, clip } = fixture;

onHostDevice(
  "losses, norms and the adapter it ends with are those of PEFT's own training from the same start",
  async (device) => {
    const { config, weights } = await tinyModel(device);
    // Less room than a batch takes: every step is done in two parts
    const capacity = { tokens: 41, sequences: 2 };
    const options = { config, weights, adapter: start(config), capacity, optimizer: { decay, clip } };
    const training = await AdapterTrainer.create(device, options);
    const { trainer } = training;
    for (let step = 0; step < fixture.steps; step++) {
      const { loss, gradientNorm } = await trainer.step(batches[step % batches.length], learningRate(step, fixture));
      assert.ok(
        Math.abs(loss - fixture.losses[step]) < 1e-2,
        `step ${step}: loss ${loss}, PEFT ${fixture.losses[step]}`,
      );
      const expected = fixture.norms[step];
      assert.ok(
        Math.abs(gradientNorm - expected) < 1e-2 * expected,
        `step ${step}: norm ${gradientNorm}, PEFT ${expected}`,
      );
    }
    const layers = await training.adapter();
    for (const [name, { norm }] of Object.entries(fixture.end)) {
      const [layer, module, half] = name.split(".") as [string, LoraModuleName, "A" | "B"];
      const factor = layers[Number(layer)][module]![half === "A" ? "a" : "b"];
      const own = Math.sqrt(factor.reduce((sum, value) => sum + value * value, 0));
      assert.ok(Math.abs(own - norm) < 1e-2 * norm, `${name}: norm ${own}, PEFT ${norm}`);
    }

    const { config: json, safetensors } = writePeftAdapter({ layers }, config, { baseModel: "molora/tiny" });
    const loaded = await loadAdapter("trained", memoryFolder(json, safetensors), config);
    assert.deepEqual(loaded.layers, layers);
  },
);

onHostDevice("a training taken up from its checkpoint ends with the same bits", async (device) => {
  const { config, weights } = await tinyModel(device);
  const shape = { rank: 3, alpha: 6, modules: ["q_proj", "down_proj"], layers: new Set([1, 3]) } as const;
  const options = {
    config,
    weights,
    adapter: freshAdapter(config, shape, 5),
    capacity: { tokens: 60, sequences: 4 },
    optimizer: {},
  };
  const whole = await AdapterTrainer.create(device, options);
  for (let step = 0; step < 2; step++) await whole.trainer.step(batches[step], 0.01);
  const bytes = writeCheckpoint(await whole.trainer.state());
  await whole.trainer.step(batches[2], 0.01);

  const resumed = await AdapterTrainer.create(device, options);
  resumed.trainer.restore(await readCheckpoint(new MemorySource("checkpoint", bytes), await resumed.trainer.state()));
  assert.equal(resumed.trainer.steps, 2);
  await resumed.trainer.step(batches[2], 0.01);
  assert.deepEqual(await resumed.adapter(), await whole.adapter());
  assert.deepEqual(
    (await whole.adapter()).map((layer) => Object.keys(layer)),
    [[], ["q_proj", "down_proj"], [], ["q_proj", "down_proj"]],
  );

  const other = { ...options, adapter: freshAdapter(config, { ...shape, rank: 8 }, 5) };
  const wider = await AdapterTrainer.create(device, other);
  const reading = readCheckpoint(new MemorySource("checkpoint", bytes), await wider.trainer.state());
  await assert.rejects(reading, { code: "data_invalid" });
});

test("texts are cut, weighed alike and drawn in epochs that a seed shuffles", () => {
  const text = { ids: [1, 2, 3, 4], counted: [false, false, true, true] };
  assert.equal(trainingText(text, 2), undefined);
  assert.deepEqual(trainingText(text, 3), { ids: [1, 2, 3], counted: [false, false, true] });
  assert.deepEqual(
    weighted([text, { ids: [5, 6], counted: [false, true] }]).map(({ weights }) => weights),
    [[0, 1 / 3, 1 / 3], [1 / 3]],
  );
  const items = Array.from({ length: 7 }, (_, i) => i);
  const drawn = Array.from({ length: 7 }, (_, step) => drawBatch(items, 2, 3, step)).flat();
  assert.deepEqual([drawn.slice(0, 7).sort(), drawn.slice(7).sort()], [items, items]);
  assert.notDeepEqual(drawn.slice(0, 7), drawn.slice(7));
  assert.deepEqual(drawBatch(items, 2, 3, 5), drawn.slice(10, 12));
  const sized = [5, 5, 3, 8, 1].map((length) => ({ ids: Array.from({ length }, () => 0) }));
  const cut = cutBatch(sized, { tokens: 10, sequences: 2 }).map((part) => part.map(({ ids }) => ids.length));
  assert.deepEqual(cut, [[5, 5], [3], [8, 1]]);
});

function memoryFolder(config: string, safetensors: Uint8Array): SourceFolder {
  const files = new Map([
    ["adapter_config.json", new TextEncoder().encode(config)],
    ["adapter_model.safetensors", safetensors],
  ]);
  return {
    name: "trained",
    open: async (path) => (files.has(path) ? new MemorySource(path, files.get(path)!) : undefined),
    list: async () => [...files.keys()],
  };
}

onHostDevice(
  "held near its start an adapter moves less where it mattered, and importance is that of single texts",
  async (device) => {
    const { config, weights } = await tinyModel(device);
    const shape = { rank: 3, alpha: 6, modules: ["q_proj", "down_proj"], layers: new Set([1, 3]) } as const;
    const capacity = { tokens: 64, sequences: 4 };
    const common = { config, weights, capacity, optimizer: {} };
    const fresh = await AdapterTrainer.create(device, { ...common, adapter: freshAdapter(config, shape, 4) });
    for (let step = 0; step < 3; step++) await fresh.trainer.step(batches[0], 1e-2);
    const adapter = await fresh.adapter();
    const importance = await fresh.trainer.importance(batches[0]);
    assert.ok([...importance.values()].some((values) => values.some((value) => value > 0)));
    assert.equal((await fresh.trainer.importance(batches[0])).size, importance.size, "gradients are cleared behind it");

    const distances: number[] = [];
    for (const strength of [0, 1, 100]) {
      const held = strength === 0 ? {} : { held: { strength, importance: addedImportance(importance, undefined) } };
      const { trainer } = await AdapterTrainer.create(device, { ...common, adapter, ...held });
      const start = await trainer.values();
      const penalties: (number | undefined)[] = [];
      for (let step = 0; step < 5; step++) penalties.push((await trainer.step(batches[1], 1e-2)).penalty);
      assert.equal(penalties[0], strength === 0 ? undefined : 0);
      assert.ok(strength === 0 || penalties[4]! > 0);
      let distance = 0;
      for (const [name, values] of await trainer.values()) {
        const weight = importance.get(name)!;
        for (const [i, value] of values.entries()) distance += weight[i] * (value - start.get(name)![i]) ** 2;
      }
      distances.push(distance);
    }
    assert.ok(distances[0] > distances[1] && distances[1] > distances[2], `${distances}`);
  },
);
