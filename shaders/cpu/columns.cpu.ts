// Matrices as panels of 8 columns, [k][8], which lie side by side in scratch memory: what tile_floats.cpu.ts multiplies where a
// sum runs over the rows of a matrix instead of along them, and the product whose both sides come row by row.
import { madd } from "./simd.cpu";

/** Rows [k][columns] that lie `stride` bytes apart, to panels [columns / 8][k][8]. `columns`: a multiple of 4. */
export function packColumns(from: usize, stride: usize, k: i32, columns: i32, to: usize): void {
  for (let c = 0; c < columns; c += 8) {
    let row = from + (<usize>c << 2);
    // Of a last panel with four columns the others are never stored.
    const second: usize = columns - c >= 8 ? 16 : 0;
    for (let i = 0; i < k; i++) {
      v128.store(to, v128.load(row));
      v128.store(to, v128.load(row + second), 16);
      row += stride;
      to += 32;
    }
  }
}

/**
 * Rows [count][width] that lie `stride` bytes apart, transposed: to panels [width][8 rows] that lie `panelBytes` apart.
 * The last row fills up the last panel. `width`: a multiple of 4.
 */
export function packTransposed(from: usize, stride: usize, count: i32, width: i32, to: usize, panelBytes: usize): void {
  for (let r = 0; r < count; r += 8) {
    quarters(from, stride, r, count - 1, width, to);
    quarters(from, stride, r + 4, count - 1, width, to + 16);
    to += panelBytes;
  }
}

/** Four rows to one half of a panel. */
function quarters(from: usize, stride: usize, row: i32, last: i32, width: i32, to: usize): void {
  const r0 = from + <usize>min(row, last) * stride, r1 = from + <usize>min(row + 1, last) * stride;
  const r2 = from + <usize>min(row + 2, last) * stride, r3 = from + <usize>min(row + 3, last) * stride;
  for (let i: usize = 0; i < <usize>width << 2; i += 16) {
    const a = v128.load(r0 + i), b = v128.load(r1 + i), c = v128.load(r2 + i), d = v128.load(r3 + i);
    const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
    const ef = v128.shuffle<f32>(a, b, 2, 6, 3, 7), gh = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
    v128.store(to, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7), 32);
    v128.store(to, v128.shuffle<f32>(ef, gh, 0, 1, 4, 5), 64);
    v128.store(to, v128.shuffle<f32>(ef, gh, 2, 3, 6, 7), 96);
    to += 128;
  }
}

/**
 * y[i][c] += Σ_k a[k][i] · panel[k][c] for four i and 8 columns c, or the first four where not `wide`. Rows of a lie
 * `stride` bytes apart, those of y `yStride`.
 */
export function tileOuter(panel: usize, k: i32, a: usize, stride: usize, y: usize, yStride: usize, wide: bool): void {
  const y1 = y + yStride, y2 = y1 + yStride, y3 = y2 + yStride;
  const second: usize = wide ? 16 : 0;
  let f0 = v128.load(y), f1 = v128.load(y1), f2 = v128.load(y2), f3 = v128.load(y3);
  let g0 = v128.load(y + second), g1 = v128.load(y1 + second), g2 = v128.load(y2 + second), g3 = v128.load(y3 + second);
  for (let i = 0; i < k; i++) {
    const w = v128.load(panel), u = v128.load(panel, 16);
    let t = v128.load32_splat(a);
    f0 = madd(t, w, f0); g0 = madd(t, u, g0); t = v128.load32_splat(a, 4);
    f1 = madd(t, w, f1); g1 = madd(t, u, g1); t = v128.load32_splat(a, 8);
    f2 = madd(t, w, f2); g2 = madd(t, u, g2); t = v128.load32_splat(a, 12);
    f3 = madd(t, w, f3); g3 = madd(t, u, g3);
    panel += 32;
    a += stride;
  }
  v128.store(y, f0);
  v128.store(y1, f1);
  v128.store(y2, f2);
  v128.store(y3, f3);
  if (!wide) return;
  v128.store(y, g0, 16);
  v128.store(y1, g1, 16);
  v128.store(y2, g2, 16);
  v128.store(y3, g3, 16);
}
