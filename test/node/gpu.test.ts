// A device opened in Node: its limits, features and globals, and a kernel on it with and without Dawn's checks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSoftware, openGpuDevice } from "../../node/gpu.ts";

const DOUBLE = `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) { x[id.x] = 2 * x[id.x]; }`;

async function double(device: GPUDevice, input: number[]): Promise<number[]> {
  const size = input.length * 4;
  const x = device.createBuffer({
    size,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
  });
  const back = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(x, 0, Float32Array.from(input));
  const module = device.createShaderModule({ code: DOUBLE });
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module } });
  const layout = pipeline.getBindGroupLayout(0);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer: x } }] }));
  pass.dispatchWorkgroups(input.length / 4);
  pass.end();
  encoder.copyBufferToBuffer(x, 0, back, 0, size);
  device.queue.submit([encoder.finish()]);
  await back.mapAsync(GPUMapMode.READ);
  return [...new Float32Array(back.getMappedRange())];
}

for (const validate of [true, false]) {
  test(`a device computes, validate: ${validate}`, async (t) => {
    const { device, adapter, isSoftware, close } = await openGpuDevice({ validate });
    t.after(close);
    assert.deepEqual(await double(device, [1, 2, 3, 4]), [2, 4, 6, 8]);
    assert.equal(adapter.isSoftware, isSoftware);
    for (const name of ["shader-f16", "subgroups", "timestamp-query"] as const) {
      assert.equal(device.features.has(name), adapter.features.includes(name), name);
    }
  });
}

test("limits are the adapter's, not WebGPU's defaults", async (t) => {
  const { device, close } = await openGpuDevice();
  t.after(close);
  assert.ok(device.limits.maxBufferSize > 268_435_456);
  assert.ok(device.limits.maxStorageBuffersPerShaderStage >= 10);
});

test("with validation a wrong call is an error", async (t) => {
  const { device, close } = await openGpuDevice({ validate: true });
  t.after(close);
  device.pushErrorScope("validation");
  device.createBuffer({ size: 4, usage: 0 });
  assert.match((await device.popErrorScope())?.message ?? "", /usage/i);
});

test("software adapters are told by their names", () => {
  const info = (description: string, architecture = "") => ({ description, architecture, device: "" });
  assert.equal(isSoftware(info("llvmpipe: Mesa 25.0.7 (LLVM 15.0.6)", "software")), true);
  assert.equal(isSoftware(info("SwiftShader Device", "swiftshader")), true);
  assert.equal(isSoftware(info("Microsoft Basic Render Driver")), true);
  assert.equal(isSoftware(info("NVIDIA H100 80GB HBM3: 550.90", "hopper")), false);
  assert.equal(isSoftware(info("Intel(R) UHD Graphics 620", "gen-9")), false);
});
