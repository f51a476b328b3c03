// Sorts a layer's table by adapter into tiles, for the segmented (prefill) LoRA kernels. See segments.wgsl.
// It knows nothing of ranks or weights.

import type { Grid } from "../engine/gpu/program.ts";
import { type Build, compose } from "./compose.ts";
import type { StepShape } from "./step.ts";

const OWN = {
  step: "uniform",
  table: "read",
  order: "read_write",
  tiles: "read_write",
  tile_count: "read_write",
} as const;

/** Entries in a tile: how often a tile's A and B rows are used once they are read. */
export const TILE_ENTRIES = 16;

/** Most entries one sort takes: two words each must fit the least workgroup memory WebGPU promises (16 KiB). */
export const MAX_SORT = 1920;

/** `sort`: tokens × entries there is room for, at most MAX_SORT. */
export function segments(facts: { entries: number; sort: number }): Build {
  return compose("segments", OWN, { ENTRIES: facts.entries, SORT: facts.sort, TILE: TILE_ENTRIES });
}

export function segmentsGrid(shape: StepShape): Grid {
  return [shape.entries === 0 ? 0 : 1, 1, 1];
}

/** More tiles than a step can have: whole ones, and at most one short one an adapter. */
export function tileBound(shape: StepShape): number {
  const entries = shape.tokens * shape.entries;
  return Math.floor(entries / TILE_ENTRIES) + Math.min(shape.adapters, entries);
}
