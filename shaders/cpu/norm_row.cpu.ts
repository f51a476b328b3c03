// Rows of the residual: RMSNorm (Zhang & Sennrich 2019, eq. 4), scaled rows, sums of rows.
import { across } from "./lanes.cpu";
import { madd } from "./simd.cpu";

/** x = r · rsqrt(mean(r²) + eps) · weight. `x` may be `r`. */
export function normRow(r: usize, weight: usize, x: usize, width: i32, eps: f32): void {
  const bytes = <usize>width << 2;
  let squares = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(r + i);
    squares = madd(v, v, squares);
  }
  const mean: f32 = across(squares) / <f32>width;
  // A mean that overflowed would make zeros of the row, 1/∞, and a token of them: ∞ − ∞ is NaN, and stays one.
  const scale = f32x4.splat(1 / sqrt<f32>(mean + eps) + (mean - mean));
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(x + i, f32x4.mul(f32x4.mul(v128.load(r + i), scale), v128.load(weight + i)));
  }
}

/** x = x · scale */
export function scaleRow(x: usize, width: i32, scale: f32): void {
  const s = f32x4.splat(scale);
  for (let i: usize = 0; i < <usize>width << 2; i += 16) v128.store(x + i, f32x4.mul(v128.load(x + i), s));
}

/** r = r + x · scale */
export function addRow(r: usize, x: usize, width: i32, scale: f32): void {
  const s = f32x4.splat(scale);
  for (let i: usize = 0; i < <usize>width << 2; i += 16) {
    v128.store(r + i, f32x4.add(v128.load(r + i), f32x4.mul(v128.load(x + i), s)));
  }
}
