// Semantics: xq[t], xs[t] = x[t] in int8 blocks of 32 (cpu/quantize_blocks.cpu.ts).
// Shapes: x [T, COLS] f32; xq [T, COLS] int8; xs [T, COLS / 32] (scale, scale · sum). Items: tokens.
import { finish } from "../cpu/quantize_blocks.cpu";

@unmanaged
export class QuantizeArgs {
  x: usize;
  xq: usize;
  xs: usize;
  COLS: i32;
}

export function quantize(args: usize, first: i32, end: i32): void {
  const a = changetype<QuantizeArgs>(args);
  finish(a.x, a.xq, a.xs, first * a.COLS, (end - first) * a.COLS);
}
