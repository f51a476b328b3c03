// Weights of single precision. A panel of 8 rows: 8 floats, a row each, for every column: what cpu/tile_floats.cpu.ts reads as it is.

/** Bytes of a column of 8 rows. */
export const F32_COLUMN: i32 = 32;

/** One row of a panel. `lane`: which of its 8. */
export function rowF32(w: usize, lane: usize, columns: i32, out: usize): void {
  for (let k = 0; k < columns; k++) {
    store<f32>(out, load<f32>(w + 4 * lane));
    w += F32_COLUMN;
    out += 4;
  }
}
