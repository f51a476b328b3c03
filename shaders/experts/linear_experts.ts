// A linear layer of a mixture of experts: each slot of a token by the matrix of the expert it has chosen. See linear_experts.wgsl.

import { CPU_FORMATS, type DeviceFormat, FORMAT_COLUMNS } from "../formats/device_format.ts";
import type { Kernel } from "../kernel.ts";
import { linearFormat, PANEL_ROWS } from "../layer/linear.ts";

export interface LinearExpertsFacts {
  format: DeviceFormat;
  /** Of one expert's matrix. A multiple of 8. */
  rows: number;
  cols: number;
  /** Experts [first, first + count) are those whose matrices are bound, one behind the other. */
  first: number;
  count: number;
  /** Experts a token takes. */
  used: number;
  /** x has one row for: every token, or every slot of a token. */
  per: "tokens" | "slots";
}

const WORKGROUP = 64;
/** Rows of one slot that a workgroup computes. */
const TILE_ROWS = 4;

export const linearExperts: Kernel<LinearExpertsFacts> = {
  name: "linear_experts",
  constants: ({ rows, cols, first, count, used, per }) => ({
    ROWS: rows,
    COLS: cols,
    FIRST: first,
    COUNT: count,
    USED: used,
    PER_TOKEN: per === "tokens",
  }),
  check({ format, rows, cols }) {
    if (rows % PANEL_ROWS !== 0) throw new RangeError(`linear_experts: ${rows} rows are no multiple of ${PANEL_ROWS}`);
    if (cols % FORMAT_COLUMNS[format] !== 0) throw new RangeError(`linear_experts: ${cols} columns of ${format}`);
  },
  wgsl: ({ format, rows, used }, gpu) => ({
    text: "experts/linear_experts",
    bindings: {
      step: "uniform",
      quants: "read",
      scales: "read",
      x: "read",
      y: "read_write",
      order: "read",
      chosen: "read",
    },
    enables: gpu.subgroups ? ["subgroups"] : [],
    fragments: [
      linearFormat(format),
      { texts: [gpu.subgroups ? "layer/linear_sums_subgroup" : "layer/linear_sums_shared"] },
    ],
    constants: { WORKGROUP, TILE_ROWS, SUMS: TILE_ROWS },
    grid: ({ tokens }) => [rows / TILE_ROWS, tokens * used, 1],
  }),
  cpu: ({ format, rows, count }) => [
    {
      body: "linear_experts",
      constants: { FORMAT: CPU_FORMATS[format] },
      items: ({ tokens }) => (tokens === 0 ? 0 : (count * rows) / PANEL_ROWS),
    },
  ],
};
