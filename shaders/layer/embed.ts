// Looks tokens up in the embedding table. See embed.wgsl.

import { CPU_FORMATS, type DeviceFormat } from "../formats/device_format.ts";
import type { Kernel } from "../kernel.ts";

export interface EmbedFacts {
  format: DeviceFormat;
  cols: number;
  /** `rows` from `firstRow` on are the shard's. */
  firstRow: number;
  rows: number;
  /** What rows are multiplied by. Default 1. */
  scale?: number;
}

export const embed: Kernel<EmbedFacts> = {
  name: "embed",
  constants: ({ cols, firstRow, rows, scale = 1 }) => ({ COLS: cols, FIRST_ROW: firstRow, ROWS: rows, SCALE: scale }),
  wgsl: ({ format }) => ({
    text: "layer/embed",
    bindings: {
      step: "uniform",
      quants: "read",
      scales: "read",
      tokens: "read",
      sequences: "read",
      sampled: "read",
      residual: "read_write",
      ids: "read_write",
    },
    fragments: [{ texts: [`formats/${format}`] }],
    grid: ({ tokens }) => [tokens, 1, 1],
  }),
  cpu: ({ format }) => [{ body: "embed", constants: { FORMAT: CPU_FORMATS[format] }, items: ({ tokens }) => tokens }],
};
