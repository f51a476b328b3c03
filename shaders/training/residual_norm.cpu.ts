// Semantics and shapes: residual_norm.wgsl. Items: tokens, or with GATHER wanted rows.
import { normRow } from "../cpu/norm_row.cpu";
import { lossRowAt } from "./loss_row.cpu";

@unmanaged
export class ResidualNormArgs {
  rows: usize;
  residual: usize;
  output: usize;
  weight: usize;
  sum: usize;
  x: usize;
  HIDDEN: i32;
  EPS: f32;
  ADD: i32;
  GATHER: i32;
}

export function residual_norm(args: usize, first: i32, end: i32): void {
  const a = changetype<ResidualNormArgs>(args);
  const bytes = <usize>a.HIDDEN << 2;
  for (let t = first; t < end; t++) {
    const at = <usize>t * bytes;
    let row = a.residual + <usize>(a.GATHER ? lossRowAt(a.rows, t).token : t) * bytes;
    if (a.ADD) {
      const sum = a.sum + at, output = a.output + at;
      for (let i: usize = 0; i < bytes; i += 16) v128.store(sum + i, f32x4.add(v128.load(row + i), v128.load(output + i)));
      row = sum;
    }
    normRow(row, a.weight, a.x + at, a.HIDDEN, a.EPS);
  }
}
