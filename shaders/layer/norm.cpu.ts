// Semantics: a = output[t] + lora(t); where AFTER, a = RMSNorm(a) · after; r = residual[t] + SCALE · a; residual[t] = r;
// x[t] = RMSNorm(r) · weight, or r itself where BARE. RMSNorm(v) = v · rsqrt(mean(v²) + EPS)
// Shapes: residual, output, x [T, HIDDEN] f32; weight, after [HIDDEN]; xq, xs: x in int8 blocks, where xq is not null.
// ADD = 0: the first norm of a step, which has no output to add and leaves the residual as it is. table = 0: no adapters.
// Items: tokens.
import { copyBytes } from "../cpu/bytes.cpu";
import { addLora } from "../cpu/lora.cpu";
import { finish } from "../cpu/quantize_blocks.cpu";
import { addRow, normRow } from "../cpu/norm_row.cpu";

@unmanaged
export class NormArgs {
  step: usize;
  residual: usize;
  output: usize;
  weight: usize;
  after: usize;
  x: usize;
  xq: usize;
  xs: usize;
  table: usize;
  shrunk: usize;
  adapters: usize;
  HIDDEN: i32;
  EPS: f32;
  ADD: i32;
  AFTER: i32;
  BARE: i32;
  SCALE: f32;
  ENTRIES: i32;
  GROUP: i32;
  MODULE0: i32;
  RANK4: i32;
  DTYPE: i32;
}

export function norm(args: usize, first: i32, end: i32): void {
  const a = changetype<NormArgs>(args);
  const bytes = <usize>a.HIDDEN << 2;
  for (let token = first; token < end; token++) {
    const row = a.residual + <usize>token * bytes, x = a.x + <usize>token * bytes;
    const output = a.output + <usize>token * bytes;
    if (a.ADD && (a.AFTER || a.SCALE != 1)) {
      copyBytes(x, output, bytes);
      addLora(x, output, token, 0, 0, a.HIDDEN, a.step, a.table, a.shrunk, a.adapters, a.ENTRIES, a.GROUP, a.MODULE0, a.RANK4, a.DTYPE);
      if (a.AFTER) normRow(x, a.after, x, a.HIDDEN, a.EPS);
      addRow(row, x, a.HIDDEN, a.SCALE);
    } else if (a.ADD) {
      for (let i: usize = 0; i < bytes; i += 16) v128.store(row + i, f32x4.add(v128.load(row + i), v128.load(output + i)));
      addLora(row, output, token, 0, 0, a.HIDDEN, a.step, a.table, a.shrunk, a.adapters, a.ENTRIES, a.GROUP, a.MODULE0, a.RANK4, a.DTYPE);
    }
    if (a.BARE) copyBytes(x, row, bytes);
    else normRow(row, a.weight, x, a.HIDDEN, a.EPS);
    finish(a.x, a.xq, a.xs, token * a.HIDDEN, a.HIDDEN);
  }
}
