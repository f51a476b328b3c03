// Semantics: q, k, v = qkv[t] + lora(t); where qk_norm is not null, q and k normed over NORM_Q and NORM_K rows at a time; the
// first ROTARY elements of heads of q and k turned by the token's row of rotations; q[t] kept, k and v put into their KV cell.
// Shapes: qkv [T, (HEADS + 2·KV_HEADS)·HEAD_DIM] f32, q [T, HEADS·HEAD_DIM], rotations [rows, ROTARY/2] (cos, sin),
// qk_norm [NORM_Q + NORM_K].
// A page of the pool: K [KV_HEADS, 16, HEAD_DIM], then V likewise. The pool holds the adapters too. table = 0: no adapters.
// Items: T · (HEADS + 2·KV_HEADS), heads innermost.
// Source: RoPE, Su et al. 2021, in the half-split order of the Hugging Face checkpoints.
import { copyBytes } from "../cpu/bytes.cpu";
import { narrowRow } from "../cpu/kv_cells.cpu";
import { addLora } from "../cpu/lora.cpu";
import { normRow } from "../cpu/norm_row.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { tokenAt } from "../step.cpu";

@unmanaged
export class RopeKvArgs {
  step: usize;
  tokens: usize;
  qkv: usize;
  rotations: usize;
  q: usize;
  pool: usize;
  table: usize;
  shrunk: usize;
  qk_norm: usize;
  HEADS: i32;
  KV_HEADS: i32;
  HEAD_DIM: i32;
  ROTARY: i32;
  NORM_Q: i32;
  NORM_K: i32;
  EPS: f32;
  KV_HALF: i32;
  ENTRIES: i32;
  GROUP: i32;
  MODULE0: i32;
  RANK4: i32;
  DTYPE: i32;
}

/** In scratch memory, behind the rows that are normed together: a head on its way into a cell of halves. */
const ROW: usize = 192 << 10;

export function rope_kv(args: usize, first: i32, end: i32): void {
  const a = changetype<RopeKvArgs>(args);
  const heads = a.HEADS + 2 * a.KV_HEADS;
  const bytes = <usize>a.HEAD_DIM << 2;
  for (let item = first; item < end; item++) {
    const t = item / heads, head = item % heads;
    const token = tokenAt(a.tokens, t);
    const member = head < a.HEADS ? 0 : head < a.HEADS + a.KV_HEADS ? 1 : 2;
    const within = member == 0 ? head : head - a.HEADS - (member - 1) * a.KV_HEADS;
    let row = a.qkv + <usize>item * bytes;
    if (a.qk_norm && member < 2) row = normed(a, t, member, within);
    else if (a.table) row = summed(a, t, member, within * a.HEAD_DIM, a.HEAD_DIM);
    let out = a.q + (<usize>(t * a.HEADS + within)) * bytes, cell: usize = 0;
    if (member > 0) {
      // Page by page: K's heads of 16 positions, then V's.
      const place = (token.cell >> 4) * 2 * a.KV_HEADS + (member - 1) * a.KV_HEADS + within;
      const width = a.KV_HALF ? bytes >> 1 : bytes;
      cell = a.pool + <usize>place * 16 * width + <usize>(token.cell & 15) * width;
      out = a.KV_HALF ? scratch + ROW : cell;
    }
    if (member == 2) copyBytes(out, row, bytes);
    else rotate(row, out, a.rotations + <usize>(token.turn * a.ROTARY << 2), a.ROTARY, bytes);
    if (a.KV_HALF && member > 0) narrowRow(out, a.HEAD_DIM, cell);
  }
}

/** Rows [first, first + count) of q, k or v with their deltas, in scratch memory. */
function summed(a: RopeKvArgs, t: i32, member: i32, first: i32, count: i32): usize {
  const heads = member == 0 ? 0 : a.HEADS + (member - 1) * a.KV_HEADS;
  const at = (t * (a.HEADS + 2 * a.KV_HEADS) + heads) * a.HEAD_DIM + first;
  const base = a.qkv + (<usize>at << 2);
  copyBytes(scratch, base, <usize>count << 2);
  addLora(scratch, base, t, member, first, count, a.step, a.table, a.shrunk, a.pool, a.ENTRIES, a.GROUP, a.MODULE0, a.RANK4, a.DTYPE);
  return scratch;
}

/** A head of q or k, normed with the rows it is normed with. */
function normed(a: RopeKvArgs, t: i32, member: i32, within: i32): usize {
  const count = member == 0 ? a.NORM_Q : a.NORM_K;
  const row = within * a.HEAD_DIM, first = row / count * count;
  const rows = summed(a, t, member, first, count);
  normRow(rows, a.qk_norm + (member == 0 ? 0 : <usize>a.NORM_Q << 2), rows, count, a.EPS);
  return rows + (<usize>(row - first) << 2);
}

/** A head of `bytes`: its first `rotary` elements turned, the others kept. */
function rotate(row: usize, out: usize, rotation: usize, rotary: i32, bytes: usize): void {
  const turned = <usize>rotary << 2, half = turned >> 1;
  if (half % 16 == 0) turn(row, out, rotation, half);
  else turnOneByOne(row, out, rotation, half);
  if (turned < bytes) copyBytes(out + turned, row + turned, bytes - turned);
}

/** `half`: bytes of half of what is turned; `rotation`: as many pairs (cos, sin) as it has floats. */
function turn(row: usize, out: usize, rotation: usize, half: usize): void {
  for (let i: usize = 0; i < half; i += 16) {
    const pairs = v128.load(rotation + 2 * i), others = v128.load(rotation + 2 * i, 16);
    const cos = v128.shuffle<f32>(pairs, others, 0, 2, 4, 6), sin = v128.shuffle<f32>(pairs, others, 1, 3, 5, 7);
    const x = v128.load(row + i), y = v128.load(row + half + i);
    v128.store(out + i, f32x4.sub(f32x4.mul(x, cos), f32x4.mul(y, sin)));
    v128.store(out + half + i, f32x4.add(f32x4.mul(y, cos), f32x4.mul(x, sin)));
  }
}

function turnOneByOne(row: usize, out: usize, rotation: usize, half: usize): void {
  for (let i: usize = 0; i < half; i += 4) {
    const cos = load<f32>(rotation + 2 * i), sin = load<f32>(rotation + 2 * i, 4);
    const x = load<f32>(row + i), y = load<f32>(row + half + i);
    store<f32>(out + i, x * cos - y * sin);
    store<f32>(out + half + i, y * cos + x * sin);
  }
}
