// What goes wrong on a GPU while the engine runs; slow where a processor stands in for one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine } from "../../engine/engine.ts";
import { GpuDevice } from "../../engine/gpu/gpu_device.ts";
import { readText } from "../../node/device.ts";
import { openGpuDevice } from "../../node/gpu.ts";
import { nodeHost } from "../../node/host.ts";
import { MoloraError } from "../../proto/errors.ts";
import { raises } from "../raises.ts";
import { hasGpu } from "./each_device.ts";
import { idsFrom, NANO_OPTIONS, OTHER, overflowEndsOnlyItsOwn, STREAM } from "./failure_cases.ts";

async function open(): Promise<{ engine: Engine; device: GPUDevice }> {
  let device: GPUDevice | undefined;
  const openDevice = async () => {
    const opened = await openGpuDevice();
    device = opened.device;
    return new GpuDevice({ ...opened, description: opened.adapter.description, readText, onClose: opened.close });
  };
  const engine = await Engine.load({ ...nodeHost(), openDevice }, NANO_OPTIONS);
  return { engine, device: device! };
}

test("gpu: numbers that overflow end their own request; a lost device ends them all, with the reason", async (t) => {
  if (!(await hasGpu())) return t.skip("no WebGPU adapter on this machine");
  const { engine, device } = await open();
  await overflowEndsOnlyItsOwn(engine);
  const running = [STREAM, OTHER].map((request) => idsFrom(engine, { ...request, maxTokens: 900 }));
  const settled = Promise.allSettled(running);
  setTimeout(() => device.destroy(), 50);
  for (const outcome of await settled) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof MoloraError);
  }
  assert.equal(engine.closed?.code, "gpu_lost");
  await raises("gpu_lost", /device was lost/, () => idsFrom(engine, STREAM));
  await engine.close();
});
