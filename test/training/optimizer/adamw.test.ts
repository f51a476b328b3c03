// AdamW against float64 steps: decoupled decay, bias correction, clipping.

import assert from "node:assert/strict";
import { AdamW } from "../../../training/optimizer/adamw.ts";
import { Parameters } from "../../../training/optimizer/parameters.ts";
import { learningRate } from "../../../training/optimizer/schedule.ts";
import { checkClose, onEachDevice, randomFloats } from "../../shaders/device.ts";
import { inner } from "../../shaders/kernel_case.ts";

onEachDevice("AdamW takes PyTorch's steps, clips by the global norm and clears the gradients", async (device) => {
  const tensors = new Map([
    ["a", randomFloats(70, 1)],
    ["b", randomFloats(5, 2)],
  ]);
  const parameters = new Parameters(device, "parameters", tensors, true);
  const options = { decay: 0.1, clip: 2 };
  const optimizer = await AdamW.create(device, parameters, options);
  const expected = new Map([...tensors].map(([name, tensor]) => [name, Float64Array.from(tensor)]));
  const state = new Map([...tensors].map(([name, { length }]) => [name, Array.from({ length }, () => [0, 0])]));
  for (let step = 1; step <= 3; step++) {
    const gradients = new Map([...tensors].map(([name, { length }], i) => [name, randomFloats(length, 10 * step + i)]));
    parameters.write(gradients, parameters.gradients);
    const norm = Math.sqrt([...gradients.values()].reduce((sum, g) => sum + inner(g, g), 0));
    const rate = learningRate(step - 1, { rate: 0.1, steps: 4, warmup: 2 });
    checkClose([await optimizer.step(rate)], [norm], 1e-6);
    for (const [name, values] of expected) {
      values.forEach((value, i) => {
        const g = gradients.get(name)![i] * (norm > 2 ? 2 / (norm + 1e-6) : 1);
        const moments = state.get(name)![i];
        moments[0] = 0.9 * moments[0] + 0.1 * g;
        moments[1] = 0.999 * moments[1] + 0.001 * g * g;
        const [m, v] = [moments[0] / (1 - 0.9 ** step), moments[1] / (1 - 0.999 ** step)];
        values[i] = value * (1 - rate * 0.1) - (rate * m) / (Math.sqrt(v) + 1e-8);
      });
    }
    const actual = await parameters.read();
    for (const [name, values] of expected) checkClose(actual.get(name)!, values, 2e-5);
  }
  const cleared = await parameters.read(parameters.gradients);
  assert.ok([...cleared.values()].every((gradient) => gradient.every((value) => value === 0)));
});
