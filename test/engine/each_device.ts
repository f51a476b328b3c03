// Declares a whole-model test once for every device of this machine.

import { test } from "node:test";
import type { DeviceOptions } from "../../engine/host.ts";
import { openNodeDevice } from "../../node/device.ts";
import { MoloraError } from "../../proto/errors.ts";

/** `body` gets what an engine is told to open. A machine without a GPU or a software driver skips the GPU's, and says so. */
export function onEachHost(
  name: string,
  body: (device: Required<Pick<DeviceOptions, "device">>) => Promise<void>,
  devices: readonly ("gpu" | "cpu")[] = ["cpu", "gpu"],
): void {
  for (const device of devices) {
    test(`${device}: ${name}`, async (t) => {
      if (device === "gpu" && !(await hasGpu())) return t.skip("no WebGPU adapter on this machine");
      await body({ device });
    });
  }
}

let found: Promise<boolean> | undefined;

export function hasGpu(): Promise<boolean> {
  found ??= openNodeDevice({ device: "gpu" }).then(
    async (device) => {
      await device.close();
      return true;
    },
    (error) => {
      if (MoloraError.is(error) && error.code === "no_gpu_adapter") return false;
      throw error;
    },
  );
  return found;
}
