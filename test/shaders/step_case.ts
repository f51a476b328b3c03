// The step that a kernel's test runs: its shape, and the uniform that kernels read its counts from.

import type { Device } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import { STEP, type StepShape } from "../../shaders/step.ts";
import { wordBuffer } from "../../shaders/struct.ts";

/** Counts left out are zero. */
export function stepShape(counts: Partial<StepShape>): StepShape {
  const none = { tokens: 0, sequences: 0, rows: 0, entries: 0, maxRank4: 0, adapters: 0 };
  return { ...none, routed: false, gateWidth: 0, ...counts };
}

/** A uniform that holds the counts of `shape`. */
export function stepUniform(device: Device, shape: StepShape): View {
  const step = device.allocate("step", STEP.bytes, "uniform");
  writeStep(device, step, shape);
  return step;
}

export function writeStep(device: Device, step: View, { tokens, sequences, rows, entries }: StepShape): void {
  const target = wordBuffer(STEP.bytes);
  STEP.write(target, 0, { tokens, sequences, rows, entries });
  device.write(step, target.words);
}
