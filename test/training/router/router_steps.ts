// Trains a router on a fixture's texts and compares every step with what PyTorch found (fixtures/scripts/train_router.py).

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { nodeHost } from "../../../node/host.ts";
import { FrozenModel } from "../../../training/frozen/frozen_model.ts";
import { loadAdapterFolder, madeMixture } from "../../../training/frozen/load.ts";
import { learningRate } from "../../../training/optimizer/schedule.ts";
import { GateParameters, initialGates } from "../../../training/router/parameters.ts";
import { RouterTrainer } from "../../../training/router/trainer.ts";

interface RouterFixture {
  experts: string[];
  belief: boolean;
  hidden: number;
  seed: number;
  steps: number;
  batch: number;
  rate: number;
  warmup: number;
  clip: number;
  texts: { ids: number[]; labels: number[] }[];
  losses: number[];
  agreements: number[];
  norms: number[];
}

/** Returns the largest difference of a loss from PyTorch's. */
export async function checkRouterSteps(fixture: string, model: string, adapters: string): Promise<number> {
  const expected = JSON.parse(await readFile(`test/fixtures/training/${fixture}`, "utf8")) as RouterFixture;
  const { experts, belief, hidden, seed, steps, batch, rate, warmup, clip, texts } = expected;
  const host = nodeHost();
  const files = await openModelFiles(await host.open(model));
  const { config } = files;
  const names = experts.filter((name) => name !== "base");
  const loaded = await Promise.all(names.map((name) => loadAdapterFolder(host, name, `${adapters}/${name}`, config)));
  const shape = { layers: config.numLayers, inputs: config.hiddenSize, hidden, experts: experts.length, belief };
  const gates = initialGates(shape, seed);
  const mixture = madeMixture(
    "trained",
    config,
    experts.map((name) => ({ name, adapter: name === "base" ? undefined : name, sha256: undefined })),
    { type: "mlp", hiddenSize: hidden, belief, layers: gates, topK: 1, gate: "unit", temperature: 1 },
  );
  const length = Math.max(...texts.map(({ ids }) => ids.length));
  const options = { files, dtype: "auto", adapters: loaded, mixtures: [mixture], length, texts: batch } as const;
  const frozen = await FrozenModel.open(host, { ...options, scored: false });
  let worst = 0;
  try {
    const parameters = new GateParameters(frozen.device, shape, gates);
    const trainer = await RouterTrainer.create(frozen, frozen.mixtures[0], parameters, { clip });
    for (let step = 0; step < steps; step++) {
      const given = texts.slice(step * batch, (step + 1) * batch).map(({ ids, labels }) => {
        const targets = new Float32Array(ids.length * experts.length);
        for (const [t, label] of labels.entries()) targets[t * experts.length + label] = 1;
        return { ids, targets };
      });
      const found = await trainer.step(given, learningRate(step, { rate, steps, warmup }));
      const off = Math.abs(found.loss - expected.losses[step]);
      worst = Math.max(worst, off);
      assert.ok(off <= 1e-2, `step ${step}: loss ${found.loss}, PyTorch's ${expected.losses[step]}`);
      const norm = Math.abs(found.gradientNorm - expected.norms[step]);
      assert.ok(norm <= 1e-3 * expected.norms[step], `step ${step}: norm ${found.gradientNorm}`);
    }
  } finally {
    await frozen.close();
  }
  return worst;
}
