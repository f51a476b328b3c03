// Asks Dawn for a WebGPU device and prints one line of JSON about the adapter, or why there is none.
// A process of its own: a driver that crashes takes only this one with it.

/** Dawn's instance lives as long as the process: dropping it while a device lives crashes. */
let gpu;

async function probe() {
  const { create } = await import("webgpu");
  gpu = create([]);
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) return { found: false, reason: "no adapter" };
  const device = await adapter.requestDevice();
  device.destroy();
  return { found: true, name: adapter.info.description || adapter.info.device || adapter.info.vendor };
}

try {
  console.log(JSON.stringify(await probe()));
} catch (error) {
  console.log(JSON.stringify({ found: false, reason: error instanceof Error ? error.message : String(error) }));
}
