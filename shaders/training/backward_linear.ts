// Gradient of a linear layer for its input, for every weight format. See backward_linear.wgsl.

import { CPU_FORMATS, type DeviceFormat } from "../formats/device_format.ts";
import type { Kernel } from "../kernel.ts";
import type { StepShape } from "../step.ts";

/** Columns [offset, …) of rows that are `stride` values long. */
export interface Strip {
  stride: number;
  offset: number;
}

export interface BackwardLinearFacts {
  format: DeviceFormat;
  /** Rows of the bound weights. */
  rows: number;
  cols: number;
  dy: Strip;
  /** Both multiples of 4. */
  dx: Strip;
  /** Add to what dx holds. */
  add: boolean;
}

export const backwardLinear: Kernel<BackwardLinearFacts> = {
  name: "training/backward_linear",
  constants: ({ rows, cols, dy, dx, add }) => ({
    ROWS: rows,
    COLS: cols,
    DY_STRIDE: dy.stride,
    DY_OFFSET: dy.offset,
    DX_STRIDE: dx.stride,
    DX_OFFSET: dx.offset,
    ADD: add,
  }),
  check: ({ dx }) => {
    if (dx.stride % 4 !== 0 || dx.offset % 4 !== 0) throw new RangeError("backward_linear: dx is not in whole vec4s");
  },
  wgsl: ({ format, cols }) => {
    const groups = Math.ceil(cols / CHUNK_COLUMNS[format] / 32);
    return {
      text: "training/backward_linear",
      bindings: { step: "uniform", quants: "read", scales: "read", dy: "read", dx: "read_write" },
      fragments: [{ texts: [`formats/${format}`] }],
      grid: ({ tokens }) => [groups, Math.ceil(tokens / 4), 1],
    };
  },
  cpu: ({ format, cols }) => {
    const chunks = Math.ceil(cols / 64);
    const items = ({ tokens }: StepShape) => Math.ceil(tokens / 128) * chunks;
    return [{ body: "backward_linear", constants: { FORMAT: CPU_FORMATS[format] }, items }];
  },
};

const CHUNK_COLUMNS: Record<DeviceFormat, number> = {
  f32: 4,
  f16: 8,
  q8_0: 16,
  q4: 32,
  q5: 32,
  q4_k: 32,
  q6_k: 16,
};
