// `molora doctor`: what this machine offers to WebGPU, and what to install where it offers nothing.

import { existsSync } from "node:fs";
import { availableParallelism, freemem, totalmem } from "node:os";
import { cacheDirectory } from "../../node/cache.ts";
import { type AdapterFacts, openGpuDevice } from "../../node/gpu.ts";
import { MoloraError } from "../../proto/errors.ts";
import { columns, defineCommand } from "../command.ts";
import { formatBytes } from "../terminal/progress.ts";

/** What is known without an adapter; sizes are in bytes. When `doctor --json` fails, this is in `error.details`. */
interface Machine {
  node: string;
  platform: string;
  cores: number;
  memory: { total: number; free: number };
  cache: string;
}

/** What `doctor --json` prints. */
export interface DoctorReport extends Machine {
  adapter: AdapterFacts;
  /** Features the engine uses and got. */
  features: string[];
  limits: Record<(typeof LIMITS)[number], number>;
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

export const command = defineCommand({
  name: "doctor",
  summary: "Adapter, driver, features and limits; what to install when there is none",
  flags: {},
  async run({ output }) {
    const machine = describeMachine();
    try {
      const report = { ...machine, ...(await inspectAdapter()) };
      output.print(columns([...machineRows(machine), ...adapterRows(report)]));
      for (const sentence of report.advice) output.print(`\n${sentence}`);
      output.result(report);
    } catch (thrown) {
      output.print(columns([...machineRows(machine), ["adapter", "none"]]));
      const error = MoloraError.from(thrown);
      const { code, message, remedy, cause } = error;
      throw new MoloraError(code, message, {
        ...(remedy === undefined ? {} : { remedy }),
        cause,
        details: { ...machine },
      });
    }
  },
});

function describeMachine(): Machine {
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cores: availableParallelism(),
    memory: { total: totalmem(), free: freemem() },
    cache: cacheDirectory(),
  };
}

async function inspectAdapter(): Promise<Omit<DoctorReport, keyof Machine>> {
  const { device, adapter, close } = await openGpuDevice();
  const features = [...device.features].filter((name) => name !== "core-features-and-limits").sort();
  const limits = Object.fromEntries(LIMITS.map((name) => [name, device.limits[name]])) as DoctorReport["limits"];
  close();
  return { adapter, features, limits, advice: advise(adapter) };
}

function advise(adapter: AdapterFacts): string[] {
  const advice: string[] = [];
  if (adapter.isSoftware) {
    advice.push(
      existsSync("/proc/driver/nvidia/version")
        ? "An NVIDIA driver is loaded, yet Vulkan does not see it: install the driver's Vulkan part (libnvidia-gl); " +
            "in a container, NVIDIA_DRIVER_CAPABILITIES must include graphics."
        : "This adapter is the CPU. With a GPU and its Vulkan driver everything here runs many times faster.",
    );
  }
  if (!adapter.features.includes("shader-f16")) {
    advice.push("Without shader-f16 weights are widened in the shader: use a quantised model, or update the driver.");
  }
  return advice;
}

function machineRows({ node, platform, cores, memory, cache }: Machine): [string, string][] {
  return [
    ["node", `${node} on ${platform}, ${cores} cores`],
    ["memory", `${formatBytes(memory.total)}, ${formatBytes(memory.free)} free`],
    ["cache", cache],
  ];
}

function adapterRows({ adapter, features, limits }: DoctorReport): [string, string][] {
  const [smallest, largest] = adapter.subgroupSizes;
  return [
    ["adapter", `${adapter.description} (${adapter.isSoftware ? "software" : "hardware"})`],
    ["features", features.join(", ") || "none of those molora uses"],
    ["subgroups", largest === 0 ? "none" : smallest === largest ? `of ${largest}` : `of ${smallest} to ${largest}`],
    [
      "buffers",
      `up to ${formatBytes(limits.maxBufferSize)}, ${formatBytes(limits.maxStorageBufferBindingSize)} a binding`,
    ],
    ["bindings", `${limits.maxStorageBuffersPerShaderStage} storage buffers a shader`],
    [
      "workgroups",
      `of up to ${limits.maxComputeInvocationsPerWorkgroup} invocations with ` +
        `${formatBytes(limits.maxComputeWorkgroupStorageSize)} of shared memory`,
    ],
  ];
}
