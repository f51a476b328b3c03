// What this machine offers: the CPU device, the GPU where there is one, and which of them `auto` takes.

import { readFile } from "node:fs/promises";
import { availableParallelism, freemem, totalmem } from "node:os";
import { cacheDirectory } from "../../node/cache.ts";
import { type CpuFacts, describeCpu } from "../../node/cpu.ts";
import { type AdapterFacts, openGpuDevice } from "../../node/gpu.ts";
import { MoloraError } from "../../proto/errors.ts";

/** What `doctor --json` prints; sizes are in bytes. */
export interface DoctorReport {
  node: string;
  platform: string;
  cores: number;
  memory: { total: number; free: number };
  cache: string;
  /** The device that `--device auto` takes. */
  auto: "gpu" | "cpu";
  cpu: CpuFacts & {
    /** Whether the processor has AVX-VNNI; null where the system does not tell. */
    avxVnni: boolean | null;
  };
  /** The WebGPU adapter, and what the engine uses and got of it; absent where there is none. */
  adapter?: AdapterFacts;
  features?: string[];
  limits?: Record<(typeof LIMITS)[number], number>;
  /** Why there is no adapter. */
  noAdapter?: MoloraError;
  /** What would make it faster, in sentences. */
  advice: string[];
}

const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/** Without what advice adds. */
export type Facts = Omit<DoctorReport, "advice">;

export async function inspectMachine(): Promise<Facts> {
  const cpu = { ...(await describeCpu()), avxVnni: await hasAvxVnni() };
  const gpu = await inspectAdapter();
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cores: availableParallelism(),
    memory: { total: totalmem(), free: freemem() },
    cache: cacheDirectory(),
    auto: gpu.adapter?.isSoftware === false ? "gpu" : "cpu",
    cpu,
    ...gpu,
  };
}

async function inspectAdapter(): Promise<Pick<DoctorReport, "adapter" | "features" | "limits" | "noAdapter">> {
  try {
    const { device, adapter, close } = await openGpuDevice();
    const features = [...device.features].filter((name) => name !== "core-features-and-limits").sort();
    const limits = Object.fromEntries(LIMITS.map((name) => [name, device.limits[name]])) as DoctorReport["limits"];
    close();
    return { adapter, features, ...(limits && { limits }) };
  } catch (thrown) {
    return { noAdapter: MoloraError.from(thrown) };
  }
}

/** Only Linux tells. What has it as part of AVX-512 alone does not count: V8 looks for the other. */
async function hasAvxVnni(): Promise<boolean | null> {
  const text = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const flags = /^flags\s*:(.*)$/m.exec(text)?.[1];
  return flags === undefined ? null : flags.split(" ").includes("avx_vnni");
}
