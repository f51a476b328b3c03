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

interface Opened {
  engine: Engine;
  /** Destroys the device that is there now. */
  lose(): void;
  /** No further device can be opened. */
  refuse(): void;
}

async function open(): Promise<Opened> {
  let device: GPUDevice | undefined;
  let refused = false;
  const openDevice = async () => {
    if (refused) throw new MoloraError("no_gpu_adapter", "no device is left");
    const opened = await openGpuDevice();
    device = opened.device;
    return new GpuDevice({ ...opened, description: opened.adapter.description, readText, onClose: opened.close });
  };
  const engine = await Engine.load({ ...nodeHost(), openDevice }, NANO_OPTIONS);
  const refuse = () => {
    refused = true;
  };
  return { engine, lose: () => device?.destroy(), refuse };
}

test("gpu: numbers that overflow end their own request; what ran on a lost device goes on on the next; where there is none, all end with the reason", async (t) => {
  if (!(await hasGpu())) return t.skip("no WebGPU adapter on this machine");
  const { engine, lose, refuse } = await open();
  await overflowEndsOnlyItsOwn(engine);
  const all = () => Promise.all([STREAM, OTHER].map((request) => idsFrom(engine, { ...request, maxTokens: 120 })));
  const expected = await all();
  const moved = all();
  setTimeout(lose, 50);
  assert.deepEqual(await moved, expected);
  assert.equal(engine.counters.revivals, 1);
  const running = [STREAM, OTHER].map((request) => idsFrom(engine, { ...request, maxTokens: 900 }));
  const settled = Promise.allSettled(running);
  setTimeout(() => {
    refuse();
    lose();
  }, 50);
  for (const outcome of await settled) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof MoloraError);
  }
  assert.equal(engine.closed?.code, "gpu_lost");
  await raises("gpu_lost", /device was lost/, () => idsFrom(engine, STREAM));
  await engine.close();
});
