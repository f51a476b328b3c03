// How a device wants rows of weights to lie: one by one in two planes, or in panels of eight.

import type { DeviceFormat } from "../../../shaders/formats/device_format.ts";
import { BEYOND_HALF, type Planes } from "./format.ts";
import type { StoredType } from "./formats.ts";
import { PLANE_BYTES, repack } from "./linear_repack.ts";
import { PANEL_BYTES, PANEL_ROWS, packPanels } from "./pack_panels.ts";

export interface WeightLayout {
  /** Rows that lie together; what is packed at once begins at a multiple of them. */
  readonly rows: number;
  /** Bytes of that many rows in each plane. */
  bytes(format: DeviceFormat, cols: number): { quants: number; scales: number };
  /** Whole rows of a stored type. */
  pack(type: StoredType, bytes: Uint8Array, format: DeviceFormat, cols: number): Planes | typeof BEYOND_HALF;
}

const ROW_BY_ROW: WeightLayout = {
  rows: 1,
  bytes: (format, cols) => PLANE_BYTES[format](cols),
  pack: (type, bytes, format) => repack(type, bytes, format),
};

const PANELS: WeightLayout = {
  rows: PANEL_ROWS,
  bytes: (format, cols) => ({ quants: PANEL_BYTES[format](cols), scales: 0 }),
  pack: (type, bytes, format, cols) => {
    const planes = repack(type, bytes, format);
    const panels = planes === BEYOND_HALF ? planes : packPanels(planes, format, cols);
    return panels === BEYOND_HALF ? panels : { quants: panels };
  },
};

export function layoutOf(panelRows: 1 | 8): WeightLayout {
  return panelRows === 1 ? ROW_BY_ROW : PANELS;
}
