// The device that Node's host opens by itself, for tests of what runs whole models on it.

import { test } from "node:test";
import type { Device } from "../engine/device/device.ts";
import { nodeHost } from "../node/host.ts";

/** Declares a test whose `body` gets a device that is closed behind it. */
export function onHostDevice(name: string, body: (device: Device) => Promise<void>): void {
  test(name, async () => {
    const device = await nodeHost().openDevice({});
    try {
      await body(device);
    } finally {
      await device.close();
    }
  });
}
