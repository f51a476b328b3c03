// The first requests after a load wait for no program: those of the usual steps were prepared with the load.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CpuDevice } from "../../engine/cpu/cpu_device.ts";
import type { Launch } from "../../engine/device/device.ts";
import { Engine } from "../../engine/engine.ts";
import { nodeHost } from "../../node/host.ts";
import { collect } from "./parity.ts";

const NANO = "models/nano";
const PROMPT = "Write the sum of two and three, then the product of four and five, in words and in numbers.";

test("a prompt and the tokens behind it, with the base, an adapter and a mixture", async () => {
  const engine = await Engine.load(nodeHost(), {
    model: NANO,
    device: "cpu",
    adapters: { math: `${NANO}/adapters/math` },
    mixtures: { default: `${NANO}/mixtures/default` },
  });
  const { prepare } = CpuDevice.prototype;
  let prepared = 0;
  CpuDevice.prototype.prepare = function <Shape>(this: CpuDevice, launches: readonly Launch<Shape>[]) {
    prepared++;
    return Reflect.apply(prepare, this, [launches]);
  };
  try {
    for (const routing of [{}, { adapter: "math" }, { mixture: "default" }]) {
      const { tokens } = await collect(engine, { prompt: PROMPT, maxTokens: 3, ignoreEos: true, ...routing });
      assert.equal(tokens.length, 3);
    }
    assert.equal(prepared, 0);
  } finally {
    CpuDevice.prototype.prepare = prepare;
    await engine.close();
  }
});
