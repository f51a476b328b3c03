// Opens a device in a page: WebGPU where the page has a hardware adapter, else the CPU in WebAssembly.

import { CpuDevice } from "../engine/cpu/cpu_device.ts";
import type { StartThread } from "../engine/cpu/crew.ts";
import { type ArgumentTable, canCompile, compileModule, type KernelModule } from "../engine/cpu/module.ts";
import type { Device } from "../engine/device/device.ts";
import { GpuDevice } from "../engine/gpu/gpu_device.ts";
import type { DeviceOptions } from "../engine/host.ts";
import { MoloraError } from "../proto/errors.ts";

/** What is used of a page's globals; TypeScript knows them only together with all of the DOM. */
interface PageGlobals {
  navigator?: { gpu?: GPU; hardwareConcurrency?: number };
  crossOriginIsolated?: boolean;
  Worker?: new (
    url: URL,
    options: { type: "module" },
  ) => { postMessage(message: unknown): void; terminate(): void; onerror: (event: { message?: string }) => void };
}
const page = globalThis as unknown as PageGlobals;

const KERNELS = new URL("../engine/cpu/", import.meta.url);
const THREAD = new URL("./cpu_thread.js", import.meta.url);

/** @throws MoloraError `no_gpu_adapter` where a GPU is asked for and there is none */
export async function openPageDevice({ device = "auto", threads }: DeviceOptions = {}): Promise<Device> {
  const gpu = device === "cpu" ? undefined : await openGpu(device === "auto");
  if (gpu !== undefined) return gpu;
  if (device === "gpu") {
    throw new MoloraError("no_gpu_adapter", "this page has no WebGPU adapter", {
      remedy: "Use a browser with WebGPU, or the CPU device.",
    });
  }
  return openCpu(threads);
}

async function openGpu(hardwareOnly: boolean): Promise<Device | undefined> {
  const adapter = await page.navigator?.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter || (hardwareOnly && adapter.info.isFallbackAdapter)) return undefined;
  const { maxStorageBufferBindingSize, maxBufferSize, maxStorageBuffersPerShaderStage } = adapter.limits;
  const opened = await adapter.requestDevice({
    requiredFeatures: adapter.features.has("subgroups") ? ["subgroups"] : [],
    requiredLimits: { maxStorageBufferBindingSize, maxBufferSize, maxStorageBuffersPerShaderStage },
  });
  const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
  return new GpuDevice({
    device: opened,
    description: description || `${vendor} ${architecture}`,
    isSoftware: isFallbackAdapter,
    readText: async (url) => (await fetch(url)).text(),
    onClose: () => opened.destroy(),
  });
}

/** Threads need memory that workers share, which a page has only when it is isolated from other origins. */
async function openCpu(wanted: number | undefined): Promise<Device> {
  const isolated = page.crossOriginIsolated === true && page.Worker !== undefined;
  const cores = page.navigator?.hardwareConcurrency ?? 1;
  const threads = isolated ? (wanted ?? cores) : 1;
  const [table, module] = await Promise.all([loadTable(), loadModule()]);
  const description = isolated
    ? `WebAssembly, ${threads} threads`
    : "WebAssembly, 1 thread (no cross-origin isolation)";
  return new CpuDevice({ description, module, table, threads, cores, ...(isolated ? { start } : {}) });
}

const start: StartThread = (setup, onEnd) => {
  const worker = new page.Worker!(THREAD, { type: "module" });
  worker.onerror = ({ message = "its script cannot be loaded" }) => onEnd(message);
  worker.postMessage(setup);
  return { ref() {}, unref() {}, terminate: () => worker.terminate() };
};

async function loadTable(): Promise<ArgumentTable> {
  return (await fetch(new URL("kernels.json", KERNELS))).json() as Promise<ArgumentTable>;
}

async function loadModule(): Promise<KernelModule> {
  const relaxed = await bytesOf("kernels.wasm");
  return compileModule(canCompile(relaxed) ? relaxed : await bytesOf("kernels_plain.wasm"));
}

async function bytesOf(name: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(new URL(name, KERNELS))).arrayBuffer());
}
