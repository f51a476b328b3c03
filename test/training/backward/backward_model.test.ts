// The whole model's gradients for LoRA's A and B and for a router's weights: against PyTorch's autograd, and against
// finite differences of the float64 forward pass.

import assert from "node:assert/strict";
import { logSoftmax } from "../../../cli/check/reference/softmax.ts";
import type { LoraModuleName } from "../../../files/families/modules.ts";
import type { LoraModule } from "../../../files/lora/adapter.ts";
import type { MlpGate } from "../../../router/mixture.ts";
import { LoraStack } from "../../../training/backward/lora_stack.ts";
import { TrainingModel } from "../../../training/backward/model.ts";
import { RouterStack } from "../../../training/backward/router_stack.ts";
import { onHostDevice } from "../../host_device.ts";
import { raises } from "../../raises.ts";
import { llamaForward } from "../../reference/llama_forward.ts";
import { tinyAdapter as referenceAdapter, tinyLlama } from "../../reference/tiny_llama.ts";
import { type GradientFixture, readTraining, type Sample, tinyAdapter, tinyMixture, tinyModel } from "../tiny_model.ts";

const fixture = readTraining<GradientFixture>("gradients");
const CAPACITY = { tokens: 80, sequences: 4 };

/** Relative to the tensor's largest entry seen, and the norm to itself: f32 through four layers on both sides. */
const TOLERANCE = 1e-3;

function checkSample(actual: Float32Array, sample: Sample, name: string): void {
  const norm = Math.sqrt(actual.reduce((sum, value) => sum + value * value, 0));
  assert.ok(Math.abs(norm - sample.norm) <= TOLERANCE * sample.norm, `${name}: norm ${norm}, PyTorch ${sample.norm}`);
  const largest = Math.max(...sample.values.map(Math.abs));
  for (const [n, at] of sample.at.entries()) {
    const error = Math.abs(actual[at] - sample.values[n]);
    assert.ok(error <= TOLERANCE * largest, `${name}[${at}]: ${actual[at]}, PyTorch ${sample.values[n]}`);
  }
}

// The base's weights are bf16 numbers, which f16 holds as well: every format must give the same gradients.
const [whole, partial] = fixture.adapters;
const CASES = [
  { expected: whole, dtype: "f32" },
  { expected: partial, dtype: "f32" },
  { expected: partial, dtype: "f16" },
] as const;

for (const { expected, dtype } of CASES) {
  const name = `LoRA's A and B of ${expected.adapter}: loss and gradients equal PyTorch's, ${dtype}`;
  onHostDevice(name, async (device) => {
    const { config, weights } = await tinyModel(device, dtype);
    const { layers } = await tinyAdapter(expected.adapter, config);
    const stack = new LoraStack(device, config, [layers], true);
    const model = await TrainingModel.create(device, { config, weights, stack, capacity: CAPACITY });
    const { loss } = await model.run(fixture.texts, { backward: true });
    assert.ok(Math.abs(loss - expected.loss) < 1e-4 * expected.loss, `loss ${loss}, PyTorch ${expected.loss}`);
    const gradients = stack.unstack(await stack.parameters.read(stack.parameters.gradients), 0);
    let checked = 0;
    for (const [name, sample] of Object.entries(expected.gradients)) {
      const [layer, module, half] = name.split(".") as [string, LoraModuleName, "A" | "B"];
      const gradient = gradients[Number(layer)][module]!;
      checkSample(half === "A" ? gradient.a : gradient.b, sample, name);
      checked++;
    }
    assert.equal(checked, 2 * layers.flatMap((layer) => Object.keys(layer)).length);
  });
}

for (const expected of fixture.mixtures) {
  onHostDevice(`router of ${expected.mixture}: loss and straight-through gradients equal PyTorch's`, async (device) => {
    const { config, weights } = await tinyModel(device);
    const { mixture, adapters } = await tinyMixture(expected.mixture, config);
    const stack = new LoraStack(
      device,
      config,
      adapters.map((adapter) => adapter?.layers),
      false,
    );
    const router = new RouterStack(device, config, mixture.router, mixture.experts.length);
    const model = await TrainingModel.create(device, { config, weights, stack, router, capacity: CAPACITY });
    const { loss } = await model.run(fixture.texts, { backward: true });
    assert.ok(Math.abs(loss - expected.loss) < 1e-4 * expected.loss, `loss ${loss}, PyTorch ${expected.loss}`);
    const gates = router.gates(await router.parameters.read(router.parameters.gradients), config.numLayers);
    const parts: Record<string, keyof MlpGate> = {
      "fc1.weight": "fc1Weight",
      "fc1.bias": "fc1Bias",
      "fc2.weight": "fc2Weight",
      "fc2.bias": "fc2Bias",
    };
    for (const [name, sample] of Object.entries(expected.gradients)) {
      const [, layer, ...part] = name.split(".");
      checkSample(gates[Number(layer)][parts[part.join(".")]], sample, name);
    }
  });
}

onHostDevice("a model with facts that have no gradient here is refused by their names", async (device) => {
  const { config, weights } = await tinyModel(device);
  const { layers } = await tinyAdapter("r3", config);
  const stack = new LoraStack(device, config, [layers], true);
  const facts = { biases: ["q_proj"], windows: [0, 16, 0, 16] } as const;
  const parts = { config: { ...config, ...facts }, weights, stack, capacity: CAPACITY };
  await raises("unsupported_architecture", /biases, a sliding window/, () => TrainingModel.create(device, parts));
});

onHostDevice("LoRA's gradients are the slopes of the float64 loss", async (device) => {
  const { config, weights } = await tinyModel(device);
  const { layers } = await tinyAdapter("r3", config);
  const stack = new LoraStack(device, config, [layers], true);
  const model = await TrainingModel.create(device, { config, weights, stack, capacity: CAPACITY });
  const texts = [fixture.texts[1]];
  const [{ ids, weights: weight }] = texts;
  await model.run(texts, { backward: true });
  const gradients = stack.unstack(await stack.parameters.read(stack.parameters.gradients), 0);

  const tiny = tinyLlama("base");
  const reference = referenceAdapter("r3", config.numLayers);
  const routing = { adapters: reference.map((layer) => [layer]), gates: () => ids.map(() => 1) };
  const loss = () => {
    const logits = llamaForward(ids, tiny.shape, tiny.weights, routing);
    const row = (t: number) => logSoftmax(logits.slice(t * config.vocabSize, (t + 1) * config.vocabSize));
    return weight.reduce((sum, w, t) => (w === 0 ? sum : sum - w * row(t)[ids[t + 1]]), 0);
  };
  for (const [layer, module] of [
    [0, "q_proj"],
    [0, "down_proj"],
    [1, "k_proj"],
    [2, "up_proj"],
    [3, "o_proj"],
  ] as const) {
    const pair = reference[layer][module]!;
    const gradient = gradients[layer][module] as LoraModule;
    for (const half of ["a", "b"] as const) {
      const values = pair[half] as Float64Array;
      const largest = gradient[half].reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const at of [3, values.length - 5]) {
        const value = values[at];
        values[at] = value + 1e-5;
        const above = loss();
        values[at] = value - 1e-5;
        const slope = (above - loss()) / 2e-5;
        values[at] = value;
        const error = Math.abs(gradient[half][at] - slope);
        assert.ok(
          error <= TOLERANCE * largest,
          `${layer}.${module}.${half}[${at}]: ${gradient[half][at]}, slope ${slope}`,
        );
      }
    }
  }
});

onHostDevice(
  "a second run adds its gradients, a run without backward adds none, and a batch too large is refused",
  async (device) => {
    const { config, weights } = await tinyModel(device);
    const { layers } = await tinyAdapter("partial", config);
    const stack = new LoraStack(device, config, [layers], true);
    const model = await TrainingModel.create(device, { config, weights, stack, capacity: CAPACITY });
    const read = async () => [...(await stack.parameters.read(stack.parameters.gradients)).values()];
    const [first, second] = [[fixture.texts[0]], fixture.texts.slice(1)];
    const whole = await model.run(fixture.texts, { backward: false });
    assert.ok((await read()).every((tensor) => tensor.every((value) => value === 0)));
    const parts = [await model.run(first, { backward: true }), await model.run(second, { backward: true })];
    assert.ok(Math.abs(parts[0].loss + parts[1].loss - whole.loss) < 1e-4);
    const added = await read();
    device.zero(stack.parameters.gradients!);
    await model.run(fixture.texts, { backward: true });
    for (const [i, tensor] of (await read()).entries()) {
      const largest = tensor.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      assert.ok(tensor.every((value, n) => Math.abs(value - added[i][n]) <= 1e-4 * largest));
    }
    const long = { ids: Array.from({ length: 81 }, () => 5), weights: [] };
    await assert.rejects(model.run([long], { backward: false }), { code: "data_invalid" });
  },
);
