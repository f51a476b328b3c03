// Semantics: a = output[t] + lora(t); where AFTER, a = RMSNorm(a) · after;
// x[r] = RMSNorm(residual[t] + SCALE · a) · weight for the token t that heads each row of logits
// Shapes: residual, output [T, HIDDEN], x [R, HIDDEN] f32; weight, after [HIDDEN]; xq, xs: x in int8 blocks, where xq is not null. table = 0: no
// adapters. Items: rows of logits.
import { copyBytes } from "../cpu/bytes.cpu";
import { addLora } from "../cpu/lora.cpu";
import { addRow, normRow, scaleRow } from "../cpu/norm_row.cpu";
import { finish } from "../cpu/quantize_blocks.cpu";
import { logitRowAt } from "../step.cpu";

@unmanaged
export class FinalNormArgs {
  step: usize;
  logit_rows: usize;
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
  AFTER: i32;
  SCALE: f32;
  ENTRIES: i32;
  GROUP: i32;
  MODULE0: i32;
  RANK4: i32;
  DTYPE: i32;
}

export function final_norm(args: usize, first: i32, end: i32): void {
  const a = changetype<FinalNormArgs>(args);
  const bytes = <usize>a.HIDDEN << 2;
  for (let r = first; r < end; r++) {
    const token = logitRowAt(a.logit_rows, r).token;
    const residual = a.residual + <usize>token * bytes, output = a.output + <usize>token * bytes;
    const x = a.x + <usize>r * bytes;
    const bare = !a.AFTER && a.SCALE == 1;
    copyBytes(x, output, bytes);
    if (bare) addRow(x, residual, a.HIDDEN, 1);
    addLora(x, output, token, 0, 0, a.HIDDEN, a.step, a.table, a.shrunk, a.adapters, a.ENTRIES, a.GROUP, a.MODULE0, a.RANK4, a.DTYPE);
    if (!bare) {
      if (a.AFTER) normRow(x, a.after, x, a.HIDDEN, a.EPS);
      scaleRow(x, a.HIDDEN, a.SCALE);
      addRow(x, residual, a.HIDDEN, 1);
    }
    normRow(x, a.weight, x, a.HIDDEN, a.EPS);
    finish(a.x, a.xq, a.xs, r * a.HIDDEN, a.HIDDEN);
  }
}
