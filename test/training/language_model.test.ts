// Training a router end to end: its texts' loss falls, every expert's share is counted, auxiliary losses pull at it.

import assert from "node:assert/strict";
import { LanguageModelTrainer } from "../../training/language_model.ts";
import type { TrainingText } from "../../training/training_texts.ts";
import { onHostDevice } from "../host_device.ts";
import { type GradientFixture, readTraining, tinyMixture, tinyModel } from "./tiny_model.ts";

const texts = readTraining<GradientFixture>("gradients").texts.map(
  ({ ids }): TrainingText => ({ ids, counted: ids.map((_, t) => t > 0) }),
);

onHostDevice(
  "a router trained end to end lowers its texts' loss; the balancing loss evens its experts out",
  async (device) => {
    const { config, weights } = await tinyModel(device);
    const { mixture, adapters } = await tinyMixture("belief-top1", config);
    const options = {
      config,
      weights,
      experts: adapters.map((adapter) => adapter?.layers),
      router: mixture.router,
      optimizer: { clip: 1 },
      // The three texts make two parts
      capacity: { tokens: 50, sequences: 3 },
    };
    const plain = await LanguageModelTrainer.create(device, { ...options, auxiliary: { balance: 0, z: 0 } });
    assert.deepEqual(await plain.gates(), mixture.router.type === "mlp" && mixture.router.layers);
    const before = await plain.trainer.evaluate(texts);
    for (let step = 0; step < 15; step++) await plain.trainer.step(texts, 0.02);
    const after = await plain.trainer.evaluate(texts);
    assert.ok(after < before - 0.3, `loss ${before} before, ${after} after`);

    const balanced = await LanguageModelTrainer.create(device, { ...options, auxiliary: { balance: 20, z: 0.01 } });
    const unevenness = (loads: [number, number][][]) =>
      loads.reduce((sum, layer) => sum + layer.length * layer.reduce((all, [f, p]) => all + f * p, 0), 0) /
      loads.length;
    const first = await balanced.trainer.step(texts, 0.02);
    for (const layer of first.loads) {
      for (const part of [0, 1]) {
        const sum = layer.reduce((all, load) => all + load[part], 0);
        assert.ok(Math.abs(sum - 1) < 1e-5, `shares add up to ${sum}`);
      }
    }
    for (let step = 0; step < 10; step++) await balanced.trainer.step(texts, 0.02);
    const { loads } = await balanced.trainer.step(texts, 0);
    assert.ok(unevenness(loads) < unevenness(first.loads) - 0.1, `${unevenness(first.loads)} to ${unevenness(loads)}`);
  },
);
