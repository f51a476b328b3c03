// Semantics: y[s, r] = Σ_k W[chosen[s], r, k] · x[row, k] for slots s = t · USED + k whose expert is one of [FIRST, FIRST + COUNT);
// row = t where PER_TOKEN, else s. Others' rows of y stay.
// Shapes: W [COUNT · ROWS, COLS] in panels of 8 rows (formats/format.cpu.ts), x [T or T · USED, COLS] f32, y [T · USED, ROWS]
// f32; order and bounds by sort_experts.cpu.ts. Items: COUNT · ROWS / 8, a panel each, against its expert's slots.
import { oneFloats, tileFloats } from "../cpu/tile_floats.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { columnBytes, floats } from "../formats/format.cpu";

@unmanaged
export class LinearExpertsArgs {
  quants: usize;
  x: usize;
  y: usize;
  order: usize;
  bounds: usize;
  FORMAT: i32;
  ROWS: i32;
  COLS: i32;
  FIRST: i32;
  USED: i32;
  PER_TOKEN: i32;
}

/** Columns that are unpacked at a time: they should stay in the first cache while tokens pass by. */
const COLUMNS: i32 = 768;

export function linear_experts(args: usize, first: i32, end: i32): void {
  const a = changetype<LinearExpertsArgs>(args);
  const panels = a.ROWS >> 3;
  for (let item = first; item < end; item++) {
    const bound = a.bounds + (<usize>(a.FIRST + item / panels) << 2);
    const from = load<i32>(bound), to = load<i32>(bound, 4);
    if (from < to) panel(a, item, <usize>(item % panels * 8) << 2, from, to);
  }
}

/** Slots at places [from, to) of the order. `row`: bytes before the panel's first row in a row of y. */
function panel(a: LinearExpertsArgs, item: i32, row: usize, from: i32, to: i32): void {
  const weights = a.quants + <usize>item * columnBytes(a.FORMAT, a.COLS);
  for (let k = 0; k < a.COLS; k += COLUMNS) {
    const piece = min(COLUMNS, a.COLS - k);
    const unpacked = floats(a.FORMAT, weights, k, piece, scratch);
    const at = <usize>k << 2;
    if (to - from == 1) {
      oneFloats(unpacked, piece, xOf(a, from) + at, yOf(a, from) + row, 8, k == 0);
      continue;
    }
    for (let n = from; n < to; n += 4) {
      // Past the end, the last slot once more: it writes the same.
      const n1 = min(n + 1, to - 1), n2 = min(n + 2, to - 1), n3 = min(n + 3, to - 1);
      tileFloats(
        unpacked, piece, xOf(a, n) + at, xOf(a, n1) + at, xOf(a, n2) + at, xOf(a, n3) + at,
        yOf(a, n) + row, yOf(a, n1) + row, yOf(a, n2) + row, yOf(a, n3) + row, 8, k == 0,
      );
    }
  }
}

@inline
function slotAt(a: LinearExpertsArgs, place: i32): i32 {
  return load<i32>(a.order + (<usize>place << 2));
}

function xOf(a: LinearExpertsArgs, place: i32): usize {
  const slot = slotAt(a, place);
  return a.x + (<usize>(a.PER_TOKEN ? slot / a.USED : slot) * <usize>a.COLS << 2);
}

function yOf(a: LinearExpertsArgs, place: i32): usize {
  return a.y + (<usize>slotAt(a, place) * <usize>a.ROWS << 2);
}
