// Semantics: shrunk[t, j, m, :] becomes core_m · shrunk[t, j, m, :] for entries whose adapter has cores; others stay.
// Shapes: table [T, ENTRIES]; shrunk [T, ENTRIES, GROUP, 4 · RANK4] f32. The twin of lora/core.wgsl, which says where cores lie.
// Items: T · step.entries · GROUP, modules innermost.
import { copyBytes } from "../cpu/bytes.cpu";
import { dotsOne } from "../cpu/dots.cpu";
import { headerAt } from "../cpu/lora.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { entryAt, NO_EXPERT, stepAt } from "../step.cpu";

@unmanaged
export class CoreArgs {
  step: usize;
  table: usize;
  pool: usize;
  shrunk: usize;
  ENTRIES: i32;
  RANK4: i32;
  GROUP: i32;
  MODULE0: i32;
}

/** Where an adapter's run says where its cores' headers begin. */
const CORES: i32 = 7;

export function core(args: usize, first: i32, end: i32): void {
  const a = changetype<CoreArgs>(args);
  const entries = stepAt(a.step).entries;
  for (let item = first; item < end; item++) {
    const member = item % a.GROUP;
    const token = item / a.GROUP / entries, j = item / a.GROUP % entries;
    const address = addressOf(a, token, j);
    if (address == 0) continue;
    const cores = <i32>load<f32>(headerAt(a.pool, address, CORES));
    if (cores == 0) continue;
    const header = headerAt(a.pool, address, a.MODULE0 + member);
    const rank = <i32>load<f32>(header, 8), rank4 = (rank + 3) >> 2;
    const own = headerAt(a.pool, address, cores + a.MODULE0 + member);
    const matrix = a.pool + (<usize>(address + <i32>load<f32>(own)) << 4);
    const h = a.shrunk + (<usize>(((token * a.ENTRIES + j) * a.GROUP + member) * a.RANK4) << 4);
    if (load<f32>(own, 4) != 0) multiplyFull(h, matrix, rank, rank4);
    else multiplyDiagonal(h, matrix, rank4);
  }
}

function multiplyFull(h: usize, matrix: usize, rank: i32, rank4: i32): void {
  const bytes = <usize>rank4 << 4;
  copyBytes(scratch, h, bytes);
  for (let block = 0; block < rank4; block++) {
    // Rows past the rank: the last again, dropped.
    const r = block << 2;
    const r0 = matrix + <usize>r * bytes;
    const r1 = matrix + <usize>min(r + 1, rank - 1) * bytes;
    const r2 = matrix + <usize>min(r + 2, rank - 1) * bytes;
    const r3 = matrix + <usize>min(r + 3, rank - 1) * bytes;
    const inside = i32x4.lt_s(i32x4.add(i32x4.splat(r), i32x4(0, 1, 2, 3)), i32x4.splat(rank));
    v128.store(h + (<usize>block << 4), v128.and(dotsOne(scratch, r0, r1, r2, r3, bytes), inside));
  }
}

function multiplyDiagonal(h: usize, diagonal: usize, rank4: i32): void {
  for (let i: usize = 0; i < <usize>rank4 << 4; i += 16) {
    v128.store(h + i, f32x4.mul(v128.load(diagonal + i), v128.load(h + i)));
  }
}

/** 0 where there is none. Entries past the end of a list may hold anything. */
function addressOf(a: CoreArgs, token: i32, entry: i32): i32 {
  for (let j = 0; j <= entry; j++) {
    if (entryAt(a.table, token * a.ENTRIES + j).expert == NO_EXPERT) return 0;
  }
  return entryAt(a.table, token * a.ENTRIES + entry).address;
}
