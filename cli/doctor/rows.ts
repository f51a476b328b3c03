// The facts of a machine as rows of a table for people.

import { formatBytes } from "../terminal/progress.ts";
import type { Facts } from "./report.ts";

export function machineRows(facts: Facts): [string, string][] {
  const { node, platform, cores, memory, cache, auto } = facts;
  return [
    ["node", `${node} on ${platform}, ${cores} core${cores === 1 ? "" : "s"}`],
    ["memory", `${formatBytes(memory.total)}, ${formatBytes(memory.free)} free`],
    ["cache", cache],
    ["device", `${auto}, where --device says nothing else${setByVariable()}`],
    ...cpuRows(facts),
    ...gpuRows(facts),
  ];
}

function setByVariable(): string {
  const { MOLORA_DEVICE: set } = process.env;
  return set === undefined || set === "" ? "" : `, nor MOLORA_DEVICE, which is ${set}`;
}

function cpuRows({ cpu }: Facts): [string, string][] {
  const build = cpu.relaxedSimd ? "WebAssembly with relaxed SIMD" : "WebAssembly SIMD, the plain build";
  const vnni = cpu.avxVnni === null ? "" : cpu.avxVnni ? ", AVX-VNNI" : ", no AVX-VNNI";
  return [
    ["cpu", `${cpu.processor}${vnni}`],
    ["kernels", `${build}, ${cpu.threads} thread${cpu.threads === 1 ? "" : "s"}`],
  ];
}

function gpuRows({ adapter, features = [], limits }: Facts): [string, string][] {
  if (adapter === undefined || limits === undefined) return [["adapter", "none"]];
  const [smallest, largest] = adapter.subgroupSizes;
  const kind = adapter.isSoftware ? "software, used only when asked for: --device gpu" : "hardware";
  return [
    ["adapter", `${adapter.description} (${kind})`],
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
