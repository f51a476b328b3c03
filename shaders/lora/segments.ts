// Sorts a layer's table by adapter into tiles, for the segmented (prefill) LoRA kernels. See segments.wgsl.

import type { Kernel } from "../kernel.ts";
import type { StepShape } from "../step.ts";

/** Entries in a tile: how often a tile's A and B rows are used once they are read. */
export const TILE_ENTRIES = 16;

/** Most entries one sort takes: two words each must fit the least workgroup memory WebGPU promises (16 KiB). */
export const MAX_SORT = 1920;

export interface SegmentsFacts {
  entries: number;
  /** Tokens × entries there is room for, at most MAX_SORT. */
  sort: number;
}

export const segments: Kernel<SegmentsFacts> = {
  name: "segments",
  constants: ({ entries, sort }) => ({ ENTRIES: entries, SORT: sort, TILE: TILE_ENTRIES }),
  wgsl: () => ({
    text: "lora/segments",
    bindings: {
      step: "uniform",
      table: "read",
      order: "read_write",
      tiles: "read_write",
      tile_count: "read_write",
    },
    grid: ({ entries }) => [entries === 0 ? 0 : 1, 1, 1],
  }),
};

/** More tiles than a step can have: whole ones, and at most one short one an adapter. */
export function tileBound(shape: StepShape): number {
  const entries = shape.tokens * shape.entries;
  return Math.floor(entries / TILE_ENTRIES) + Math.min(shape.adapters, entries);
}
