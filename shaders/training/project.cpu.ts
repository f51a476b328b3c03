// Semantics and shapes: project.wgsl. Items: ceil(T / 16) · ceil(ROWS / 16), rows innermost.
import { dotsOne, dotsTwo } from "../cpu/dots.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { stepAt } from "../step.cpu";

@unmanaged
export class ProjectArgs {
  step: usize;
  weight: usize;
  bias: usize;
  x: usize;
  y: usize;
  ROWS: i32;
  COLS4: i32;
  X_STRIDE4: i32;
  X_OFFSET4: i32;
  BIAS: i32;
}

const TOKENS: i32 = 16;
const ROWS_AT_ONCE: i32 = 16;

export function project(args: usize, first: i32, end: i32): void {
  const a = changetype<ProjectArgs>(args);
  const tokens = stepAt(a.step).tokens;
  const blocks = (a.ROWS + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
  for (let item = first; item < end; item++) {
    const token = item / blocks * TOKENS, row = item % blocks * ROWS_AT_ONCE;
    const last = min(row + ROWS_AT_ONCE, a.ROWS);
    for (let r = row; r < last; r += 4) fourRows(a, r, token, min(token + TOKENS, tokens));
  }
}

/** Rows [row, row + 4) for tokens [first, end). */
function fourRows(a: ProjectArgs, row: i32, first: i32, end: i32): void {
  const bytes = <usize>a.COLS4 << 4, stride = <usize>a.X_STRIDE4 << 4;
  // Rows past the last: that one again, dropped when it is stored.
  const r0 = a.weight + <usize>row * bytes;
  const r1 = a.weight + <usize>min(row + 1, a.ROWS - 1) * bytes;
  const r2 = a.weight + <usize>min(row + 2, a.ROWS - 1) * bytes;
  const r3 = a.weight + <usize>min(row + 3, a.ROWS - 1) * bytes;
  let x = a.x + <usize>first * stride + (<usize>a.X_OFFSET4 << 4);
  let t = first;
  for (; t + 1 < end; t += 2) {
    dotsTwo(x, x + stride, r0, r1, r2, r3, bytes, scratch);
    put(a, row, t, v128.load(scratch));
    put(a, row, t + 1, v128.load(scratch, 16));
    x += 2 * stride;
  }
  if (t < end) put(a, row, t, dotsOne(x, r0, r1, r2, r3, bytes));
}

function put(a: ProjectArgs, row: i32, token: i32, sums: v128): void {
  const y = a.y + (<usize>(token * a.ROWS + row) << 2), bias = a.bias + (<usize>row << 2);
  if (row + 4 <= a.ROWS) {
    v128.store(y, a.BIAS ? f32x4.add(sums, v128.load(bias)) : sums);
    return;
  }
  v128.store(scratch, sums);
  for (let i: usize = 0; i < <usize>(a.ROWS - row) << 2; i += 4) {
    store<f32>(y + i, load<f32>(scratch + i) + (a.BIAS ? load<f32>(bias + i) : 0));
  }
}
