// Where each array of a step's input lies in the one buffer that carries them, and how large it can get.
// engine/step/batch.ts fills them.

import { alignUp, VIEW_ALIGNMENT } from "../../shaders/alignment.ts";
import { ENTRY, LOGIT_ROW, SEQUENCE, STEP, TOKEN } from "../../shaders/step.ts";
import type { Device } from "../device/device.ts";
import { subView, type View } from "../device/memory.ts";
import type { Capacity } from "./capacity.ts";

const REGIONS = ["step", "tokens", "sequences", "fixed", "logitRows", "blocks"] as const;
export type Region = (typeof REGIONS)[number];

/** Bindings of the regions, over one buffer. */
export type InputViews = Readonly<Record<Region, View>>;

export interface InputLayout {
  /** Byte offset of each region. */
  readonly offsets: Readonly<Record<Region, number>>;
  readonly bytes: number;
  readonly whole: View;
  readonly views: InputViews;
}

export function layOutInputs(device: Device, capacity: Capacity): InputLayout {
  const sizes: Record<Region, number> = {
    step: STEP.bytes,
    tokens: capacity.tokens * TOKEN.bytes,
    sequences: capacity.sequences * SEQUENCE.bytes,
    fixed: capacity.sequences * capacity.entries * ENTRY.bytes,
    logitRows: capacity.logitRows * LOGIT_ROW.bytes,
    blocks: capacity.blocks * 4,
  };
  let bytes = 0;
  const offsets = {} as Record<Region, number>;
  for (const region of REGIONS) {
    offsets[region] = bytes;
    bytes += alignUp(sizes[region], VIEW_ALIGNMENT);
  }
  const whole = device.allocate("step inputs", bytes, "uniform");
  const views = {} as Record<Region, View>;
  for (const region of REGIONS) views[region] = subView(whole, offsets[region], alignUp(sizes[region], 16));
  return { offsets, bytes, whole, views };
}
