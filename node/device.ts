// Opens the device that was asked for: a GPU through Dawn, or the CPU's threads.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Device } from "../engine/device/device.ts";
import { GpuDevice } from "../engine/gpu/gpu_device.ts";
import type { DeviceOptions } from "../engine/host.ts";
import { openGpuDevice } from "./gpu.ts";

/** @throws MoloraError `no_gpu_adapter` where a GPU is asked for and there is none */
export async function openNodeDevice(_options: DeviceOptions = {}): Promise<Device> {
  const { device, adapter, isSoftware, close } = await openGpuDevice();
  return new GpuDevice({ device, description: adapter.description, isSoftware, readText, onClose: close });
}

export function readText(url: string): Promise<string> {
  return readFile(fileURLToPath(url), "utf8");
}
