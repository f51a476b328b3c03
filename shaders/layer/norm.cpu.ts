// Semantics: r = residual[t] + output[t] + lora(t); residual[t] = r; x[t] = r · rsqrt(mean(r²) + EPS) · weight
// Shapes: residual, output, x [T, HIDDEN] f32; weight [HIDDEN]; xq, xs: x in int8 blocks, where xq is not null.
// ADD = 0: the first norm of a step, which has no output to add and leaves the residual as it is. table = 0: no adapters.
// Items: tokens.
import { addLora } from "../cpu/lora.cpu";
import { finish } from "../cpu/quantize_blocks.cpu";
import { normRow } from "../cpu/norm_row.cpu";

@unmanaged
export class NormArgs {
  step: usize;
  residual: usize;
  output: usize;
  weight: usize;
  x: usize;
  xq: usize;
  xs: usize;
  table: usize;
  shrunk: usize;
  adapters: usize;
  HIDDEN: i32;
  EPS: f32;
  ADD: i32;
  ENTRIES: i32;
  GROUP: i32;
  MODULE0: i32;
  RANK4: i32;
}

export function norm(args: usize, first: i32, end: i32): void {
  const a = changetype<NormArgs>(args);
  const bytes = <usize>a.HIDDEN << 2;
  for (let token = first; token < end; token++) {
    const row = a.residual + <usize>token * bytes;
    if (a.ADD) {
      const output = a.output + <usize>token * bytes;
      for (let i: usize = 0; i < bytes; i += 16) v128.store(row + i, f32x4.add(v128.load(row + i), v128.load(output + i)));
      addLora(row, token, 0, 0, a.HIDDEN, a.step, a.table, a.shrunk, a.adapters, a.ENTRIES, a.GROUP, a.MODULE0, a.RANK4);
    }
    normRow(row, a.weight, a.x + <usize>token * bytes, a.HIDDEN, a.EPS);
    finish(a.x, a.xq, a.xs, token * a.HIDDEN, a.HIDDEN);
  }
}
