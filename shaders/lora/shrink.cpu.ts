// LoRA's A side: shrunk[t, j, m, r] = gate · Σ_k A[m][r, k] · x[t, k]
// for entry j of token t, module m of the group and rank index r; rows in [rank, 4 · rank4) are written as 0.
// Shapes: table [T, ENTRIES]; x [T, COLS] f32; shrunk [T, ENTRIES, GROUP, 4 · RANK4] f32. Adapter run at `address` (vec4
// units): 8 headers (offset of A, offset of B, rank, offset of changed rows), then the matrices; A is [rank, COLS] row-major, held as DTYPE
// (cpu/factors.cpu.ts).
// Items: ceil(T / 4) · step.entries · GROUP · 4: four tokens, an entry, a module, and of its blocks of four ranks every
// fourth one. Neighbouring tokens of one adapter share loads of A; no token's sums depend on that.
import { shrinkOne, shrinkTwo, strideA } from "../cpu/factors.cpu";
import { headerAt } from "../cpu/lora.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { entryAt, NO_EXPERT, stepAt } from "../step.cpu";

@unmanaged
export class ShrinkArgs {
  step: usize;
  table: usize;
  adapters: usize;
  x: usize;
  shrunk: usize;
  COLS: i32;
  ENTRIES: i32;
  RANK4: i32;
  GROUP: i32;
  MODULE0: i32;
  DTYPE: i32;
}

/** Tokens of an item, and items that share a module's ranks. */
const TOKENS: i32 = 4;
const PARTS: i32 = 4;

export function shrink(args: usize, first: i32, end: i32): void {
  const a = changetype<ShrinkArgs>(args);
  const tokens = stepAt(a.step).tokens, entries = stepAt(a.step).entries;
  for (let item = first; item < end; item++) {
    const member = item / PARTS % a.GROUP;
    const rest = item / (PARTS * a.GROUP);
    const j = rest % entries;
    let token = rest / entries * TOKENS;
    const last = min(token + TOKENS, tokens);
    while (token < last) {
      const address = adapterOf(a, token, j);
      const pair = token + 1 < last && adapterOf(a, token + 1, j) == address;
      if (address) shrinkTokens(a, address, member, token, j, pair, item % PARTS);
      token += pair ? 2 : 1;
    }
  }
}

/** 0 where there is none. Entries past the end of a list may hold anything. */
function adapterOf(a: ShrinkArgs, token: i32, entry: i32): i32 {
  for (let j = 0; j <= entry; j++) {
    if (entryAt(a.table, token * a.ENTRIES + j).expert == NO_EXPERT) return 0;
  }
  return entryAt(a.table, token * a.ENTRIES + entry).address;
}

function shrinkTokens(a: ShrinkArgs, address: i32, member: i32, token: i32, j: i32, pair: bool, part: i32): void {
  const header = headerAt(a.adapters, address, a.MODULE0 + member);
  const rank = <i32>load<f32>(header, 8);
  const blocks = min((rank + 3) >> 2, a.RANK4);
  const matrix = a.adapters + (<usize>(address + <i32>load<f32>(header)) << 4);
  const bytes = <usize>a.COLS << 2;
  const stride = strideA(a.DTYPE, bytes);
  const x = a.x + <usize>token * bytes;
  for (let block = part; block < blocks; block += PARTS) {
    // Rows past the rank: the last again, dropped below.
    const r = block << 2;
    const r0 = matrix + <usize>r * stride;
    const r1 = matrix + <usize>min(r + 1, rank - 1) * stride;
    const r2 = matrix + <usize>min(r + 2, rank - 1) * stride;
    const r3 = matrix + <usize>min(r + 3, rank - 1) * stride;
    const inside = i32x4.lt_s(i32x4.add(i32x4.splat(r), i32x4(0, 1, 2, 3)), i32x4.splat(rank));
    if (pair) {
      shrinkTwo(a.DTYPE, x, x + bytes, r0, r1, r2, r3, bytes, scratch);
      put(a, token, j, member, block, v128.and(v128.load(scratch), inside));
      put(a, token + 1, j, member, block, v128.and(v128.load(scratch, 16), inside));
    } else {
      put(a, token, j, member, block, v128.and(shrinkOne(a.DTYPE, x, r0, r1, r2, r3, bytes), inside));
    }
  }
}

@inline
function put(a: ShrinkArgs, token: i32, j: i32, member: i32, block: i32, sums: v128): void {
  const at = token * a.ENTRIES + j;
  const gate = f32x4.splat(entryAt(a.table, at).gate);
  v128.store(a.shrunk + (<usize>((at * a.GROUP + member) * a.RANK4 + block) << 4), f32x4.mul(gate, sums));
}
