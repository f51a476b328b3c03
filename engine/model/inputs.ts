// Where each array of a step's input lies in the one buffer that carries them, and how large it can get.
// It knows nothing of what is in them (batch.ts fills them).

import { LOGIT_ROW_WORDS } from "../../shaders/sample.ts";
import { ENTRY_BYTES, SEQUENCE_BYTES, STEP_BYTES, TOKEN_BYTES } from "../../shaders/step.ts";
import { alignUp, type Buffers, subView, VIEW_ALIGNMENT, type View } from "../gpu/buffers.ts";

/** The most of everything a step can have. Fixed when the engine starts; scratch buffers and kernels are sized by it. */
export interface Capacity {
  tokens: number;
  sequences: number;
  logitRows: number;
  /** Page numbers, over all sequences of a step. */
  blocks: number;
  /** Pages of the pool. */
  pages: number;
  /** Adapter entries a token can have. */
  entries: number;
  /** Experts a mixture can have. */
  experts: number;
  /** Widest router gate, a multiple of 4. */
  gateWidth: number;
  /** ceil(highest rank / 4). */
  rank4: number;
  /** Token masks a step can carry. */
  masks: number;
}

const REGIONS = ["step", "tokens", "sequences", "fixed", "logitRows", "blocks"] as const;
export type Region = (typeof REGIONS)[number];

/** Bindings of the regions, over one buffer. */
export type InputViews = Readonly<Record<Region, View>>;

export interface InputLayout {
  /** Byte offset of each region. */
  readonly offsets: Readonly<Record<Region, number>>;
  readonly bytes: number;
  readonly views: InputViews;
}

export function layOutInputs(buffers: Buffers, capacity: Capacity): InputLayout {
  const sizes: Record<Region, number> = {
    step: STEP_BYTES,
    tokens: capacity.tokens * TOKEN_BYTES,
    sequences: capacity.sequences * SEQUENCE_BYTES,
    fixed: capacity.sequences * capacity.entries * ENTRY_BYTES,
    logitRows: capacity.logitRows * LOGIT_ROW_WORDS * 4,
    blocks: capacity.blocks * 4,
  };
  let bytes = 0;
  const offsets = {} as Record<Region, number>;
  for (const region of REGIONS) {
    offsets[region] = bytes;
    bytes += alignUp(sizes[region], VIEW_ALIGNMENT);
  }
  const whole = buffers.uniform("step inputs", bytes);
  const views = {} as Record<Region, View>;
  for (const region of REGIONS) views[region] = subView(whole, offsets[region], alignUp(sizes[region], 16));
  return { offsets, bytes, views };
}
