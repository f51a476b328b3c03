// Semantics: q, k, v = qkv[t] + lora(t); q and k turned by the token's position; q[t] kept, k and v put into their KV cell.
// Shapes: qkv [T, (HEADS + 2·KV_HEADS)·HEAD_DIM] f32, q [T, HEADS·HEAD_DIM], rotations [positions, HEAD_DIM/2] (cos, sin).
// A page of the pool: K [KV_HEADS, 16, HEAD_DIM], then V likewise. The pool holds the adapters too. table = 0: no adapters.
// Items: T · (HEADS + 2·KV_HEADS), heads innermost.
// Source: RoPE, Su et al. 2021, in the half-split order of the Hugging Face checkpoints.
import { addLora } from "../cpu/lora.cpu";
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
  HEADS: i32;
  KV_HEADS: i32;
  HEAD_DIM: i32;
  ENTRIES: i32;
  GROUP: i32;
  MODULE0: i32;
  RANK4: i32;
}

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
    if (a.table) {
      memory.copy(scratch, row, bytes);
      row = scratch;
      const at = within * a.HEAD_DIM;
      addLora(row, t, member, at, a.HEAD_DIM, a.step, a.table, a.shrunk, a.pool, a.ENTRIES, a.GROUP, a.MODULE0, a.RANK4);
    }
    let out = a.q + (<usize>(t * a.HEADS + within)) * bytes;
    if (member > 0) {
      // Page by page: K's heads of 16 positions, then V's.
      const cell = token.cell;
      out = a.pool + <usize>((cell >> 4) * 2 * a.KV_HEADS + (member - 1) * a.KV_HEADS + within) * 16 * bytes + <usize>(cell & 15) * bytes;
    }
    if (member == 2) memory.copy(out, row, bytes);
    else turn(row, out, a.rotations + <usize>token.position * bytes, bytes >> 1);
  }
}

/** `half`: bytes of half a head; `rotation`: as many pairs (cos, sin) as it has floats. */
function turn(row: usize, out: usize, rotation: usize, half: usize): void {
  for (let i: usize = 0; i < half; i += 16) {
    const pairs = v128.load(rotation + 2 * i), others = v128.load(rotation + 2 * i, 16);
    const cos = v128.shuffle<f32>(pairs, others, 0, 2, 4, 6), sin = v128.shuffle<f32>(pairs, others, 1, 3, 5, 7);
    const x = v128.load(row + i), y = v128.load(row + half + i);
    v128.store(out + i, f32x4.sub(f32x4.mul(x, cos), f32x4.mul(y, sin)));
    v128.store(out + half + i, f32x4.add(f32x4.mul(y, cos), f32x4.mul(x, sin)));
  }
}
