// What every device promises: memory, the order of work, programs, and bytes that come back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { allocateFrom, type Device, type Program, readView } from "../../../engine/device/device.ts";
import { subView, type View } from "../../../engine/device/memory.ts";
import { GpuDevice } from "../../../engine/gpu/gpu_device.ts";
import { readText } from "../../../node/device.ts";
import { openGpuDevice } from "../../../node/gpu.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { type Kernel, launch } from "../../../shaders/kernel.ts";
import { norm } from "../../../shaders/layer/norm.ts";
import { NO_LORA } from "../../../shaders/lora/lora_form.ts";
import type { StepShape } from "../../../shaders/step.ts";
import { DEVICE_NAMES, onEachDevice, openTestDevice } from "../../shaders/device.ts";
import { stepShape, stepUniform } from "../../shaders/step_case.ts";

const ONE_TOKEN = stepShape({ tokens: 1 });

/** A program that adds the four values of `addend` to those of `sum`. */
interface Adder {
  program: Program<StepShape>;
  sum: View;
  addend: View;
}

async function adder(device: Device): Promise<Adder> {
  const sum = device.allocate("sum", 16);
  const addend = device.allocate("addend", 16);
  const weight = device.allocate("weight", 16);
  const x = device.allocate("x", 16);
  const views = { step: stepUniform(device, ONE_TOKEN), residual: sum, output: addend, weight, x, unbound: x };
  const program = await device.prepare([launch(norm, { hidden: 4, eps: 1e-5, add: true, lora: NO_LORA }, views)]);
  return { program, sum, addend };
}

const fours = (value: number) => new Float32Array(4).fill(value);

onEachDevice("allocated memory is zero, also where memory was given back before", async (device) => {
  const before = allocateFrom(device, "used", new Uint32Array(4096).fill(0xffffffff));
  await device.idle();
  device.free(before);
  for (const bytes of [1, 16, 4 * 4096, 100_000]) {
    const view = device.allocate("fresh", bytes);
    assert.ok(view.size >= bytes);
    const read = new Uint8Array(await readView(device, view));
    assert.equal(read.length, view.size);
    assert.ok(read.every((byte) => byte === 0));
  }
});

onEachDevice("writes, runs, copies and zeroing are done in the order they were asked for", async (device) => {
  const { program, sum, addend } = await adder(device);
  const [first, second] = [device.allocate("first", 16), device.allocate("second", 16)];
  const values = fours(1);
  device.write(addend, values);
  values.fill(10);
  const runs = [device.run([program], ONE_TOKEN)];
  device.write(addend, values);
  runs.push(device.run([program, program], ONE_TOKEN));
  device.copy(sum, first);
  device.zero(sum);
  runs.push(device.run([program], ONE_TOKEN));
  device.copy(sum, second);
  device.write(sum, fours(5));
  const bytes = await device.run([program], ONE_TOKEN, [first, second, sum]);
  assert.deepEqual(
    [...new Float32Array(bytes)],
    [21, 10, 15].flatMap((value) => [...fours(value)]),
  );
  for (const run of runs) assert.equal((await run).byteLength, 0);
});

onEachDevice("several reads are in flight at once, each of its own moment", async (device) => {
  const { program, sum, addend } = await adder(device);
  device.write(addend, fours(1));
  const reads = Array.from({ length: 9 }, () => device.run([program], ONE_TOKEN, [sum]));
  const last = readView(device, sum);
  const found = (await Promise.all([...reads, last])).map((bytes) => new Float32Array(bytes)[3]);
  assert.deepEqual(found, [1, 2, 3, 4, 5, 6, 7, 8, 9, 9]);
});

onEachDevice("views are read side by side, in the order given, parts of them by themselves", async (device) => {
  const view = allocateFrom(
    device,
    "counting",
    Uint32Array.from({ length: 256 }, (_, i) => i),
  );
  const parts = [subView(view, 512, 16), subView(view, 0, 8), subView(view, 512, 4), subView(view, 256, 12)];
  const words = new Uint32Array(await device.run([], undefined, parts));
  assert.deepEqual([...words], [128, 129, 130, 131, 0, 1, 128, 64, 65, 66]);
});

onEachDevice(
  "a write lands at its offset, zeroing keeps to its view, a copy takes the smaller size",
  async (device) => {
    const view = allocateFrom(device, "ones", new Uint32Array(192).fill(1));
    device.write(view, Uint32Array.of(7, 8), 16);
    device.write(subView(view, 256, 256), new Uint32Array([0, 0, 9, 0]).subarray(2, 3), 4);
    device.zero(subView(view, 512, 64));
    const words = new Uint32Array(await readView(device, view));
    const expected = new Uint32Array(192).fill(1);
    expected.set([7, 8], 4);
    expected[65] = 9;
    expected.fill(0, 128, 144);
    assert.deepEqual(words, expected);

    const small = device.allocate("small", 32);
    device.copy(view, small);
    assert.deepEqual([...new Uint32Array(await readView(device, small))], [...expected.subarray(0, 8)]);
    device.write(small, new Uint32Array(8).fill(3));
    device.copy(small, subView(view, 256, 256));
    expected.fill(3, 64, 72);
    assert.deepEqual(new Uint32Array(await readView(device, view)), expected);
  },
);

onEachDevice("bytes count what is allocated; freed memory counts no longer", async (device) => {
  assert.equal(device.bytes, 0);
  const [first, second] = [device.allocate("first", 1000), device.allocate("second", 64, "uniform")];
  const both = device.bytes;
  assert.ok(both >= 1064);
  device.free(first);
  assert.ok(device.bytes <= both - 1000);
  device.free(second);
  assert.equal(device.bytes, 0);
});

onEachDevice("more than a view can have is refused, and nothing is allocated", async (device) => {
  assert.throws(
    () => device.allocate("the label", device.limits.viewBytes + 1024),
    (error) => error instanceof MoloraError && error.code === "gpu_limit" && error.message.includes("the label"),
  );
  assert.equal(device.bytes, 0);
});

onEachDevice("a program counts the launches that a step of a shape runs", async (device) => {
  const { program, sum, addend } = await adder(device);
  assert.equal(program.count(ONE_TOKEN), 1);
  assert.equal(program.count(stepShape({ tokens: 0 })), 0);
  device.write(addend, fours(1));
  const bytes = await device.run([program, program], stepShape({ tokens: 0 }), [sum]);
  assert.deepEqual(new Float32Array(bytes), fours(0));
});

onEachDevice("idle waits for what was asked for, and nothing asked for comes back empty", async (device) => {
  const { program, addend } = await adder(device);
  await device.idle();
  device.write(addend, fours(1));
  let done = false;
  const run = device.run([program], ONE_TOKEN).then(() => {
    done = true;
  });
  await device.idle();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(done);
  await run;
  assert.equal((await device.run([], undefined)).byteLength, 0);
});

for (const kind of DEVICE_NAMES) {
  test(`${kind}: a closed device holds nothing`, async (t) => {
    const device = await openTestDevice(kind);
    if (device === undefined) return t.skip("no WebGPU adapter on this machine");
    device.allocate("left", 4096);
    await device.close();
    assert.equal(device.bytes, 0);
  });
}

/** A kernel whose text needs constants that it lacks. */
const BROKEN: Kernel<unknown> = {
  name: "broken",
  constants: () => ({}),
  wgsl: () => ({ text: "layer/norm", bindings: { step: "uniform", residual: "read_write" }, grid: () => [1, 1, 1] }),
};

// On a device of its own: Dawn also reports the fault to whoever listens for errors.
test("gpu: a shader that does not compile is refused, with the place and the source line", async (t) => {
  const opened = await openGpuDevice({ validate: true }).catch((error: unknown) => {
    if (error instanceof MoloraError && error.code === "no_gpu_adapter") return undefined;
    throw error;
  });
  if (opened === undefined) return t.skip("no WebGPU adapter on this machine");
  opened.device.addEventListener("uncapturederror", (event) => event.preventDefault());
  const device = new GpuDevice({ ...opened, description: opened.adapter.description, readText });
  const views = { step: device.allocate("step", 16, "uniform"), residual: device.allocate("residual", 16) };
  for (let attempt = 0; attempt < 2; attempt++) {
    await assert.rejects(
      device.prepare([launch(BROKEN, {}, views)]),
      (error) => error instanceof MoloraError && error.code === "shader_failed" && /broken:\d+:\d+/.test(error.message),
    );
  }
  await device.close();
  opened.close();
});

onEachDevice(
  "a view that a kernel binds and a launch lacks is named",
  async (device) => {
    const facts = { hidden: 4, eps: 1e-5, add: true, lora: NO_LORA };
    const launches = [launch(norm, facts, { step: stepUniform(device, ONE_TOKEN) })];
    await assert.rejects(
      device.prepare(launches),
      (error) => error instanceof MoloraError && error.code === "internal" && error.message.includes("residual"),
    );
  },
  ["gpu"],
);
