// Semantics: x[r] = RMSNorm(residual[t] + output[t] + lora(t)) · weight for the token t that heads each row of logits
// Shapes: residual, output [T, HIDDEN], x [R, HIDDEN] f32; xq, xs: x in int8 blocks, where xq is not null. table = 0: no
// adapters. Items: rows of logits.
import { addLora } from "../cpu/lora.cpu";
import { normRow } from "../cpu/norm_row.cpu";
import { finish } from "../cpu/quantize_blocks.cpu";
import { logitRowAt } from "../step.cpu";

@unmanaged
export class FinalNormArgs {
  step: usize;
  logit_rows: usize;
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
  ENTRIES: i32;
  GROUP: i32;
  MODULE0: i32;
  RANK4: i32;
}

export function final_norm(args: usize, first: i32, end: i32): void {
  const a = changetype<FinalNormArgs>(args);
  const bytes = <usize>a.HIDDEN << 2;
  for (let r = first; r < end; r++) {
    const token = logitRowAt(a.logit_rows, r).token;
    const residual = a.residual + <usize>token * bytes, output = a.output + <usize>token * bytes;
    const x = a.x + <usize>r * bytes;
    for (let i: usize = 0; i < bytes; i += 16) v128.store(x + i, f32x4.add(v128.load(residual + i), v128.load(output + i)));
    addLora(x, token, 0, 0, a.HIDDEN, a.step, a.table, a.shrunk, a.adapters, a.ENTRIES, a.GROUP, a.MODULE0, a.RANK4);
    normRow(x, a.weight, x, a.HIDDEN, a.EPS);
    finish(a.x, a.xq, a.xs, r * a.HIDDEN, a.HIDDEN);
  }
}
