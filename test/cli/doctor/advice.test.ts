// Advice follows from the facts of a machine: its Node, its processor, its adapter.

import assert from "node:assert/strict";
import { test } from "node:test";
import { advise } from "../../../cli/doctor/advice.ts";
import type { Facts } from "../../../cli/doctor/report.ts";
import type { AdapterFacts } from "../../../node/gpu.ts";
import { MoloraError } from "../../../proto/errors.ts";

const CPU = { processor: "a processor", threads: 4, relaxedSimd: true, avxVnni: true };
const FACTS: Facts = {
  node: "v24.1.0",
  platform: "linux-x64",
  cores: 4,
  memory: { total: 8e9, free: 4e9 },
  cache: "/cache",
  auto: "cpu",
  cpu: CPU,
};
const GPU: AdapterFacts = {
  vendor: "v",
  architecture: "a",
  device: "d",
  description: "a card",
  isSoftware: false,
  subgroupSizes: [32, 32],
  features: ["shader-f16"],
};

test("a GPU with all that is used, and a Node that is new: nothing to advise", () => {
  assert.deepEqual(advise({ ...FACTS, auto: "gpu", adapter: GPU }, false), []);
});

test("without a GPU, or with a software one: how to get one", () => {
  for (const facts of [FACTS, { ...FACTS, adapter: { ...GPU, isSoftware: true } }]) {
    assert.match(advise(facts, false)[0], /runs on the CPU here\..*Vulkan, Metal or Direct3D 12/);
    assert.match(advise(facts, true)[0], /NVIDIA driver is loaded, yet Vulkan does not see it/);
  }
  const noAdapter = new MoloraError("gpu_lost", "the adapter gave no device");
  assert.match(advise({ ...FACTS, noAdapter }, false)[0], /CPU here \(the adapter gave no device\)/);
});

test("a GPU without shader-f16 is told so", () => {
  const [first, ...others] = advise({ ...FACTS, adapter: { ...GPU, features: [] } }, false);
  assert.match(first, /Without shader-f16/);
  assert.deepEqual(others, []);
});

test("an older Node is advised to become newer where the processor could gain", () => {
  const cpuAdvice = (node: string, cpu: Partial<Facts["cpu"]>, platform = FACTS.platform) =>
    advise({ ...FACTS, adapter: GPU, node, platform, cpu: { ...CPU, ...cpu } }, false);
  assert.match(
    cpuAdvice("v20.20.2", {})[0],
    /Node 24 .* up to twice as fast .* this is v20\.20\.2\. This processor has it/,
  );
  assert.match(cpuAdvice("v22.1.0", { avxVnni: null })[0], /not known whether this one has it/);
  assert.deepEqual(cpuAdvice("v20.20.2", { avxVnni: false }), []);
  assert.deepEqual(cpuAdvice("v20.20.2", { avxVnni: null }, "darwin-arm64"), []);
  assert.match(
    cpuAdvice("v20.20.2", { relaxedSimd: false, avxVnni: false })[0],
    /no relaxed SIMD: with Node 22 or later/,
  );
  assert.match(cpuAdvice("v24.1.0", { relaxedSimd: false })[0], /plain build/);
});
