// Keys and values of half precision in the pool's pages: a head's row into its cell, and rows of cells as floats.
import { narrow, widenHigh, widenLow } from "./lanes.cpu";

/** `count` floats, a multiple of 8, to halves. */
export function narrowRow(row: usize, count: i32, cell: usize): void {
  for (let i = 0; i < count; i += 8) {
    v128.store(cell, narrow(v128.load(row), v128.load(row, 16)));
    row += 32;
    cell += 16;
  }
}

/**
 * Positions [0, seen) of a tile, filled up to whole groups of 8, as rows of floats side by side. `cells`: where page 0 has the
 * head; `list`: the tile's page numbers; `width`: elements of a head.
 */
export function widenCells(cells: usize, pageBytes: usize, list: usize, seen: i32, width: i32, out: usize): void {
  for (let p = 0; p < seen; p += 16) {
    let from = cells + <usize>load<u32>(list + (<usize>(p >> 4) << 2)) * pageBytes;
    const rows = min(16, (seen - p + 7) & ~7);
    for (let i = 0; i < rows * width; i += 8) {
      const halves = v128.load(from);
      v128.store(out, widenLow(halves));
      v128.store(out, widenHigh(halves), 16);
      from += 16;
      out += 32;
    }
  }
}
