// Gradient of a linear layer for its input, for every weight format. See backward_linear.wgsl.
// It knows nothing of models.

import type { Grid } from "../../engine/gpu/program.ts";
import { type Build, compose } from "../compose.ts";
import type { DeviceFormat } from "../linear.ts";
import { type StepShape, shader } from "../step.ts";

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

const OWN = { step: "uniform", quants: "read", scales: "read", dy: "read", dx: "read_write" } as const;

export function backwardLinear({ format, rows, cols, dy, dx, add }: BackwardLinearFacts): Build {
  if (dx.stride % 4 !== 0 || dx.offset % 4 !== 0) throw new RangeError("backward_linear: dx is not in whole vec4s");
  const constants = {
    ROWS: rows,
    COLS: cols,
    DY_STRIDE: dy.stride,
    DY_OFFSET: dy.offset,
    DX_STRIDE: dx.stride,
    DX_OFFSET: dx.offset,
    ADD: add,
  };
  const packed = format === "q8_0" || format === "q4" ? ["parts/linear_packed"] : [];
  const parts = [...packed, `parts/format_${format}`].map(shader);
  const build = compose("training/backward_linear", OWN, constants, [{ parts, bindings: {}, constants: {} }]);
  return { ...build, kernel: { ...build.kernel, name: `backward_linear ${format}` } };
}

const CHUNK_COLUMNS: Record<DeviceFormat, number> = { f32: 4, f16: 8, q8_0: 16, q4: 32 };

export function backwardLinearGrid(facts: { format: DeviceFormat; cols: number }): (shape: StepShape) => Grid {
  const groups = Math.ceil(facts.cols / CHUNK_COLUMNS[facts.format] / 32);
  return ({ tokens }) => [groups, Math.ceil(tokens / 4), 1];
}
