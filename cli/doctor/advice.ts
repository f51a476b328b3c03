// What would make molora faster on this machine, in sentences.

import { existsSync } from "node:fs";
import type { Facts } from "./report.ts";

/** V8 turns products of int8 into one instruction from this Node on, where the processor has it. */
const FAST_NODE = 24;
/** Relaxed SIMD is on by itself from this Node on. */
const RELAXED_NODE = 22;

/** `nvidia`: whether the kernel has NVIDIA's driver loaded. */
export function advise(facts: Facts, nvidia = existsSync("/proc/driver/nvidia/version")): string[] {
  return [...adviseOnGpu(facts, nvidia), ...adviseOnCpu(facts)];
}

function adviseOnGpu({ adapter, noAdapter }: Facts, nvidia: boolean): string[] {
  if (adapter === undefined || adapter.isSoftware) {
    if (nvidia) {
      return [
        "An NVIDIA driver is loaded, yet Vulkan does not see it: install the driver's Vulkan part (libnvidia-gl); " +
          "in a container, NVIDIA_DRIVER_CAPABILITIES must include graphics.",
      ];
    }
    const why = noAdapter?.code === "no_gpu_adapter" || noAdapter === undefined ? "" : ` (${noAdapter.message})`;
    return [
      `Everything runs on the CPU here${why}. A GPU is taken by itself once its driver offers Vulkan, Metal or Direct3D 12: ` +
        "on Linux NVIDIA's own driver, or mesa-vulkan-drivers for AMD and Intel.",
    ];
  }
  if (adapter.features.includes("shader-f16")) return [];
  return ["Without shader-f16 the GPU widens weights in the shader: use a quantised model, or update the driver."];
}

function adviseOnCpu({ node, platform, cpu }: Facts): string[] {
  const major = Number.parseInt(node.slice(1), 10);
  const advice: string[] = [];
  if (!cpu.relaxedSimd) {
    advice.push(
      major < RELAXED_NODE
        ? "This Node has no relaxed SIMD: with Node 22 or later the CPU device takes fewer instructions."
        : "This processor or Node has no relaxed SIMD, so the CPU device takes the plain build, which is slower.",
    );
  }
  if (major < FAST_NODE && platform.endsWith("-x64") && cpu.avxVnni !== false) {
    const known = cpu.avxVnni ? "This processor has it." : "It is not known whether this one has it.";
    advice.push(
      `Node 24 makes the CPU device up to twice as fast on processors with AVX-VNNI; this is ${node}. ${known}`,
    );
  }
  return advice;
}
