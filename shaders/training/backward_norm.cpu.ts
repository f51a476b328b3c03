// Semantics and shapes: backward_norm.wgsl. Items: tokens, or with GATHER wanted rows.
import { across } from "../cpu/lanes.cpu";
import { madd } from "../cpu/simd.cpu";
import { lossRowAt } from "./loss_row.cpu";

@unmanaged
export class BackwardNormArgs {
  rows: usize;
  residual: usize;
  weight: usize;
  dx: usize;
  d_residual: usize;
  HIDDEN: i32;
  EPS: f32;
  GATHER: i32;
}

export function backward_norm(args: usize, first: i32, end: i32): void {
  const a = changetype<BackwardNormArgs>(args);
  for (let t = first; t < end; t++) {
    let token = t;
    if (a.GATHER) {
      const row = lossRowAt(a.rows, t);
      if (row.weight == 0) continue;
      token = row.token;
    }
    backRow(a, t, token);
  }
}

function backRow(a: BackwardNormArgs, row: i32, token: i32): void {
  const bytes = <usize>a.HIDDEN << 2, width = <f32>a.HIDDEN;
  const residual = a.residual + <usize>token * bytes, to = a.d_residual + <usize>token * bytes;
  const dx = a.dx + <usize>row * bytes, weight = a.weight;
  let squares = f32x4.splat(0), products = squares;
  for (let i: usize = 0; i < bytes; i += 16) {
    const r = v128.load(residual + i);
    squares = madd(r, r, squares);
    products = madd(f32x4.mul(r, v128.load(weight + i)), v128.load(dx + i), products);
  }
  const s: f32 = 1 / sqrt<f32>(across(squares) / width + a.EPS);
  const scale = f32x4.splat(s), along = f32x4.splat(s * s * s * across(products) / width);
  for (let i: usize = 0; i < bytes; i += 16) {
    const gained = f32x4.mul(f32x4.mul(scale, v128.load(weight + i)), v128.load(dx + i));
    const lost = f32x4.mul(v128.load(residual + i), along);
    v128.store(to + i, f32x4.add(v128.load(to + i), f32x4.sub(gained, lost)));
  }
}
