// Opens a WebGPU device in Node through Dawn (the `webgpu` package): flags, limits, features, globals.
// A browser hands the engine its own device instead.

import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { MoloraError } from "../proto/errors.ts";
import { cacheDirectory } from "./cache.ts";

/** The facts of an adapter, as `doctor` prints them. */
export interface AdapterFacts {
  vendor: string;
  architecture: string;
  device: string;
  /** The driver's own name for the device, with its version. */
  description: string;
  /** A CPU posing as a GPU (lavapipe, SwiftShader). */
  isSoftware: boolean;
  /** Invocations in a subgroup, smallest and largest; 0 where the adapter has no subgroups. */
  subgroupSizes: [number, number];
  /** Every feature the adapter offers, sorted. */
  features: string[];
}

export interface OpenGpuOptions {
  /**
   * Keep Dawn's validation and the bounds checks in shaders: mistakes become errors instead of undefined behaviour.
   * Default: true when the environment has MOLORA_VALIDATE=1, as the tests set it.
   */
  validate?: boolean;
}

export interface OpenedGpu {
  device: GPUDevice;
  adapter: AdapterFacts;
  isSoftware: boolean;
  /** Destroys the device and frees everything made on it. */
  close(): void;
}

/** Requested at the adapter's maximum: binding sizes bound the weights, the rest bounds the kernels. */
const LIMITS = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxStorageBuffersPerShaderStage",
  "maxUniformBufferBindingSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/** Requested where the adapter has them; kernels ask the device which it got. */
const FEATURES = ["shader-f16", "subgroups", "timestamp-query"] as const satisfies readonly GPUFeatureName[];

/** f16 is off by default on NVIDIA's Vulkan driver, and quantised timestamps are too coarse to time a kernel. */
const ENABLE_ALWAYS = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia"];
const DISABLE_ALWAYS = ["timestamp_quantization"];

/** These turn off what Dawn checks or clears on every call and every load. Tests keep the checks. */
const ENABLE_FAST = [
  "skip_validation",
  "disable_robustness",
  "disable_workgroup_init",
  "disable_polyfills_on_integer_div_and_mod",
];

export const NO_ADAPTER_REMEDY =
  "Leave --device gpu away: the CPU device needs no driver. For a GPU install its driver with Vulkan; on Debian and Ubuntu " +
  "`apt-get install libvulkan1 mesa-vulkan-drivers` has those of AMD and Intel, and a software one for tests (Mesa 23.1 " +
  "or later; on Debian 12 from bookworm-backports).";

/** What Linux shows for a GPU: DRM, NVIDIA's own driver, WSL. */
const KERNEL_DEVICES = ["/dev/dri", "/dev/nvidia0", "/dev/dxg"];

/** Dawn's instances by their flags. Dropping one while its devices live crashes the process, so they stay here. */
const instances = new Map<string, GPU>();

/**
 * Opens the best adapter (hardware before software) with the largest limits it offers.
 *
 * @throws MoloraError `no_gpu_adapter` when Dawn does not load here or finds no adapter, `gpu_lost` when the adapter
 * gives no device.
 */
export async function openGpuDevice(options: OpenGpuOptions = {}): Promise<OpenedGpu> {
  const adapter = await requestAdapter(options.validate ?? process.env.MOLORA_VALIDATE === "1");
  return openAdapter(adapter);
}

/** The same for a hardware adapter; undefined where there is none. */
export async function openHardwareGpu(): Promise<OpenedGpu | undefined> {
  // Where the kernel knows of no GPU there is no need to load Dawn and a software driver to be told so.
  if (process.platform === "linux" && !KERNEL_DEVICES.some(existsSync)) return undefined;
  try {
    const adapter = await requestAdapter(process.env.MOLORA_VALIDATE === "1");
    return isSoftware(adapter.info) ? undefined : await openAdapter(adapter);
  } catch (error) {
    if (MoloraError.is(error) && error.code === "no_gpu_adapter") return undefined;
    throw error;
  }
}

async function openAdapter(adapter: GPUAdapter): Promise<OpenedGpu> {
  const facts = describeAdapter(adapter);
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({
      requiredFeatures: FEATURES.filter((name) => adapter.features.has(name)),
      requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
    });
  } catch (error) {
    throw new MoloraError("gpu_lost", `the adapter "${facts.description}" gave no device: ${reason(error)}`, {
      remedy: "Run `molora doctor`; close other programs that hold the GPU's memory, or update its driver.",
      cause: error,
    });
  }
  return { device, adapter: facts, isSoftware: facts.isSoftware, close: () => device.destroy() };
}

/** Whether an adapter is a CPU posing as a GPU; kernels, polling and expectations of speed depend on it. */
export function isSoftware(info: Pick<GPUAdapterInfo, "architecture" | "device" | "description">): boolean {
  return /llvmpipe|lavapipe|swiftshader|\bsoftware\b|basic render/i.test(
    `${info.architecture} ${info.device} ${info.description}`,
  );
}

async function requestAdapter(validate: boolean): Promise<GPUAdapter> {
  prepareEnvironment();
  const gpu = await dawn(validate);
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) {
    throw new MoloraError("no_gpu_adapter", "no WebGPU adapter was found on this machine", {
      remedy: NO_ADAPTER_REMEDY,
    });
  }
  return adapter;
}

async function dawn(validate: boolean): Promise<GPU> {
  const enable = validate ? ENABLE_ALWAYS : [...ENABLE_ALWAYS, ...ENABLE_FAST];
  const flags = [`enable-dawn-features=${enable.join(",")}`, `disable-dawn-features=${DISABLE_ALWAYS.join(",")}`];
  const key = flags.join(" ");
  const known = instances.get(key);
  if (known !== undefined) return known;
  try {
    const { create, globals } = await import("webgpu");
    // GPUBufferUsage, GPUMapMode and the classes, where a browser has them
    if (!("GPUBufferUsage" in globalThis)) Object.assign(globalThis, globals);
    const gpu = create(flags);
    instances.set(key, gpu);
    return gpu;
  } catch (error) {
    throw new MoloraError("no_gpu_adapter", `Dawn does not load on this machine: ${reason(error)}`, {
      remedy: "molora needs Linux with glibc 2.28 or later, macOS or Windows, on x64 or arm64, and Node 20 or later.",
      cause: error,
    });
  }
}

/** The Vulkan loader and Mesa read these when the first instance is made; what a person has set is kept. */
function prepareEnvironment(): void {
  if (process.platform !== "linux") return;
  try {
    process.env.XDG_RUNTIME_DIR ??= privateDirectory(join(cacheDirectory(), "run"));
    process.env.MESA_SHADER_CACHE_DIR ??= privateDirectory(join(cacheDirectory(), "shaders"));
  } catch {
    // A read-only home only costs a loader message and slower first steps.
  }
}

function privateDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  return path;
}

function describeAdapter(adapter: GPUAdapter): AdapterFacts {
  const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = adapter.info;
  return {
    vendor,
    architecture,
    device,
    description,
    isSoftware: isSoftware(adapter.info),
    subgroupSizes: adapter.features.has("subgroups") ? [subgroupMinSize ?? 0, subgroupMaxSize ?? 0] : [0, 0],
    features: [...adapter.features].sort(),
  };
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
