// Semantics: shrunk[s, j, p, r] = gate · Σ_k A_p[expert of slot s][r, k] · x[row, k] for entry j of the slot's token t = s / USED,
// part p and rank index r; row = t where PER_TOKEN, else s. Values in [rank, 4 · rank4) are written as 0. Entries without the
// part: nothing is written.
// Shapes: table [T, ENTRIES]; x [T or T · USED, COLS] f32; shrunk [T · USED, ENTRIES, PARTS, RANK4] of four f32. Runs as
// shrink_experts.wgsl has them. A null `chosen`: there is one matrix. Items: T · USED · step.entries · PARTS.
import { dotsOne } from "../cpu/dots.cpu";
import { expertHeader, expertOf } from "../cpu/expert_lora.cpu";
import { entryAt, stepAt } from "../step.cpu";

@unmanaged
export class ShrinkExpertsArgs {
  step: usize;
  table: usize;
  pool: usize;
  x: usize;
  shrunk: usize;
  chosen: usize;
  PART0: i32;
  PARTS: i32;
  USED: i32;
  ENTRIES: i32;
  RANK4: i32;
  HEADERS: i32;
  COLS: i32;
  PER_TOKEN: i32;
}

export function shrink_experts(args: usize, first: i32, end: i32): void {
  const a = changetype<ShrinkExpertsArgs>(args);
  const entries = stepAt(a.step).entries;
  for (let item = first; item < end; item++) {
    const part = item % a.PARTS, rest = item / a.PARTS;
    const j = rest % entries, slot = rest / entries;
    const header = expertHeader(a.pool, a.table, slot / a.USED * a.ENTRIES, j, a.HEADERS, a.PART0 + part);
    if (header) shrinkSlot(a, header, slot, j, part);
  }
}

function shrinkSlot(a: ShrinkExpertsArgs, header: usize, slot: i32, j: i32, part: i32): void {
  const rank = <i32>load<f32>(header, 8);
  const at = slot / a.USED * a.ENTRIES + j;
  const entry = entryAt(a.table, at);
  const bytes = <usize>a.COLS << 2;
  const matrix = a.pool + (<usize>(entry.address + <i32>load<f32>(header)) << 4) + <usize>(expertOf(a.chosen, slot) * rank) * bytes;
  const x = a.x + <usize>(a.PER_TOKEN ? slot / a.USED : slot) * bytes;
  const h = a.shrunk + (<usize>(((slot * a.ENTRIES + j) * a.PARTS + part) * a.RANK4) << 4);
  for (let r = 0; r < rank; r += 4) {
    // Rows past the rank: the last again, dropped below.
    const r0 = matrix + <usize>r * bytes;
    const r1 = matrix + <usize>min(r + 1, rank - 1) * bytes;
    const r2 = matrix + <usize>min(r + 2, rank - 1) * bytes;
    const r3 = matrix + <usize>min(r + 3, rank - 1) * bytes;
    const inside = i32x4.lt_s(i32x4.add(i32x4.splat(r), i32x4(0, 1, 2, 3)), i32x4.splat(rank));
    const sums = f32x4.mul(f32x4.splat(entry.gate), dotsOne(x, r0, r1, r2, r3, bytes));
    v128.store(h + (<usize>r << 2), v128.and(sums, inside));
  }
}
