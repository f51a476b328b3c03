// Semantics: y[s, p · ROWS + r] += Σ_j B_p[expert of slot s][r, :] · shrunk[s, j, p, :] over the entries j of the slot's token
// s / USED whose adapter has the part (gates are in `shrunk`, scales in B).
// Shapes: y [T · USED, PARTS · ROWS] f32; the others as shrink_experts.cpu.ts has them. Items: T · USED · PARTS.
import { expertHeader, expertOf } from "../cpu/expert_lora.cpu";
import { across } from "../cpu/lanes.cpu";
import { madd } from "../cpu/simd.cpu";
import { entryAt, NO_EXPERT, stepAt } from "../step.cpu";

@unmanaged
export class ExpandExpertsArgs {
  step: usize;
  table: usize;
  pool: usize;
  shrunk: usize;
  y: usize;
  chosen: usize;
  PART0: i32;
  PARTS: i32;
  USED: i32;
  ENTRIES: i32;
  RANK4: i32;
  HEADERS: i32;
  ROWS: i32;
}

export function expand_experts(args: usize, first: i32, end: i32): void {
  const a = changetype<ExpandExpertsArgs>(args);
  const entries = stepAt(a.step).entries;
  for (let item = first; item < end; item++) {
    const slot = item / a.PARTS, part = item % a.PARTS;
    const from = slot / a.USED * a.ENTRIES;
    for (let j = 0; j < entries; j++) {
      if (entryAt(a.table, from + j).expert == NO_EXPERT) break;
      const header = expertHeader(a.pool, a.table, from, j, a.HEADERS, a.PART0 + part);
      if (header) expandSlot(a, header, slot, j, part);
    }
  }
}

function expandSlot(a: ExpandExpertsArgs, header: usize, slot: i32, j: i32, part: i32): void {
  const bytes = <usize>((<i32>load<f32>(header, 8) + 3) >> 2) << 4;
  const address = entryAt(a.table, slot / a.USED * a.ENTRIES + j).address;
  const matrix = a.pool + (<usize>(address + <i32>load<f32>(header, 4)) << 4);
  let b = matrix + <usize>(expertOf(a.chosen, slot) * a.ROWS) * bytes;
  const h = a.shrunk + (<usize>(((slot * a.ENTRIES + j) * a.PARTS + part) * a.RANK4) << 4);
  const y = a.y + (<usize>((slot * a.PARTS + part) * a.ROWS) << 2);
  for (let row: usize = 0; row < <usize>a.ROWS << 2; row += 4) {
    let sum = f32x4.splat(0);
    for (let k: usize = 0; k < bytes; k += 16) sum = madd(v128.load(h + k), v128.load(b + k), sum);
    store<f32>(y + row, load<f32>(y + row) + across(sum));
    b += bytes;
  }
}
