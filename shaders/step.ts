// The host's side of parts/step.wgsl: the shape of a step, which sizes every grid, and the strides of its arrays.
// It knows nothing of sequences or requests.

import { alignUp, VIEW_ALIGNMENT } from "../engine/gpu/buffers.ts";

/** Counts of the step at hand. All that grids may depend on. */
export interface StepShape {
  /** T: tokens. */
  tokens: number;
  /** S: sequences. */
  sequences: number;
  /** R: rows of logits. */
  rows: number;
  /** Most adapter entries any token has; 0: no LoRA kernel runs. */
  entries: number;
  /** Largest ceil(rank / 4) among the adapters of this step. */
  maxRank4: number;
  /** Adapters that tokens of this step can meet. */
  adapters: number;
  /** A router chooses for some token. */
  routed: boolean;
  /** Widest gate among the routers of this step. */
  gateWidth: number;
}

/** Bytes of the device structs of parts/step.wgsl. */
export const STEP_BYTES = 16;
export const TOKEN_BYTES = 16;
export const SEQUENCE_BYTES = 32;
export const ENTRY_BYTES = 16;

/** Entries from one layer's table to the next, so that each begins where a binding may. */
export function tableStride(tokens: number, entries: number): number {
  return alignUp(tokens * entries, VIEW_ALIGNMENT / ENTRY_BYTES);
}

/** `Token.id` of a token whose id only the device knows yet. */
export const ON_DEVICE = 0xffffffff;
/** `Entry.expert` that ends a token's list. */
export const NO_EXPERT = 0xffffffff;

/** URL of a shader text, for `Kernel.parts`. */
export function shader(path: string): string {
  return import.meta.resolve(`#shaders/${path}.wgsl`);
}
