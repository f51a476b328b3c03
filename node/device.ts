// Opens the device that was asked for: a GPU through Dawn, or the CPU's threads.

import type { Device } from "../engine/device/device.ts";
import { GpuDevice } from "../engine/gpu/gpu_device.ts";
import type { DeviceChoice, DeviceOptions } from "../engine/host.ts";
import { MoloraError } from "../proto/errors.ts";
import { openCpuDevice } from "./cpu.ts";
import { type OpenedGpu, openGpuDevice, openHardwareGpu } from "./gpu.ts";
import { loadShaderTexts, shaderText } from "./shader_texts.ts";
import { threadsOfEnvironment } from "./threads.ts";

/** `auto` takes a hardware GPU, else the CPU. @throws MoloraError `no_gpu_adapter` where a GPU is asked for and there is none */
export async function openNodeDevice(options: DeviceOptions = {}): Promise<Device> {
  const { device, threads } = settledDevice(options);
  if (device === "gpu") return openGpu();
  if (device === "auto") {
    const gpu = await hardwareGpu();
    if (gpu !== undefined) return gpu;
  }
  return openCpuDevice(threads === undefined ? {} : { threads });
}

/** The options with what the environment says where they say nothing. */
export function settledDevice(options: DeviceOptions): { device: DeviceChoice; threads: number | undefined } {
  const { device = choiceOf(process.env.MOLORA_DEVICE), threads = threadsOfEnvironment() } = options;
  return { device, threads };
}

export { shaderText as readText } from "./shader_texts.ts";

async function openGpu(): Promise<Device> {
  return deviceOf(await openGpuDevice());
}

/** Undefined where there is no GPU, or only a CPU posing as one. */
async function hardwareGpu(): Promise<Device | undefined> {
  const opened = await openHardwareGpu();
  return opened && deviceOf(opened);
}

async function deviceOf({ device, adapter, isSoftware, close }: OpenedGpu): Promise<Device> {
  await loadShaderTexts();
  return new GpuDevice({ device, description: adapter.description, isSoftware, readText: shaderText, onClose: close });
}

/** MOLORA_DEVICE, where nothing else is said. */
function choiceOf(text: string | undefined): DeviceChoice {
  if (text === undefined || text === "" || text === "auto") return "auto";
  if (text === "gpu" || text === "cpu") return text;
  throw new MoloraError("bad_arguments", `MOLORA_DEVICE is ${text}`, { remedy: "Set it to auto, gpu or cpu." });
}
