// The squared length of each row of a matrix, as a device holds it: what DoRA's magnitudes are measured against.
// See row_squares.wgsl.

import { CPU_FORMATS, type DeviceFormat } from "../formats/device_format.ts";
import type { Kernel } from "../kernel.ts";

export interface RowSquaresFacts {
  format: DeviceFormat;
  cols: number;
  /** `rows` from `firstRow` on are the shard's. */
  firstRow: number;
  rows: number;
}

export const rowSquares: Kernel<RowSquaresFacts> = {
  name: "row_squares",
  constants: ({ cols, firstRow, rows }) => ({ COLS: cols, FIRST_ROW: firstRow, ROWS: rows }),
  wgsl: ({ format, rows }) => ({
    text: "lora/row_squares",
    bindings: { squares: "read_write", quants: "read", scales: "read" },
    fragments: [{ texts: [`formats/${format}`] }],
    grid: () => [Math.ceil(rows / 64), 1, 1],
  }),
  cpu: ({ format, rows }) => [
    { body: "row_squares", constants: { FORMAT: CPU_FORMATS[format] }, items: () => Math.ceil(rows / 8) },
  ],
};
