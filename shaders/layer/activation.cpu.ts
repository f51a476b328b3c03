// Semantics: y[t, i] = f(g) · u, f = silu or, where GELU, gelu by its approximation with tanh, where g = gate_up[t, i] + lora(t, gate, i) and u = gate_up[t, FFN + i] + lora(t, up, i)
// Shapes: gate_up [T, 2·FFN] f32, x (y) [T, FFN] f32; xq, xs: x in int8 blocks, where xq is not null. table = 0: no adapters.
// Items: T · ceil(FFN / 256): 256 consecutive outputs of one token.
import { copyBytes } from "../cpu/bytes.cpu";
import { addLora } from "../cpu/lora.cpu";
import { gelu4, silu4 } from "../cpu/math.cpu";
import { finish } from "../cpu/quantize_blocks.cpu";
import { scratch } from "../cpu/scratch.cpu";

@unmanaged
export class ActivationArgs {
  step: usize;
  gate_up: usize;
  x: usize;
  xq: usize;
  xs: usize;
  table: usize;
  shrunk: usize;
  adapters: usize;
  FFN: i32;
  GELU: i32;
  ENTRIES: i32;
  GROUP: i32;
  MODULE0: i32;
  RANK4: i32;
  DTYPE: i32;
}

const OUTPUTS: i32 = 256;

export function activation(args: usize, first: i32, end: i32): void {
  const a = changetype<ActivationArgs>(args);
  const chunks = (a.FFN + OUTPUTS - 1) / OUTPUTS;
  for (let item = first; item < end; item++) {
    const token = item / chunks, from = item % chunks * OUTPUTS;
    const count = min(OUTPUTS, a.FFN - from);
    const gate = part(a, token, 0, from, count);
    const up = part(a, token, 1, from, count);
    const x = a.x + (<usize>(token * a.FFN + from) << 2);
    if (a.GELU) {
      for (let i: usize = 0; i < <usize>count << 2; i += 16) {
        v128.store(x + i, f32x4.mul(gelu4(v128.load(gate + i)), v128.load(up + i)));
      }
    } else {
      for (let i: usize = 0; i < <usize>count << 2; i += 16) {
        v128.store(x + i, f32x4.mul(silu4(v128.load(gate + i)), v128.load(up + i)));
      }
    }
    finish(a.x, a.xq, a.xs, token * a.FFN + from, count);
  }
}

/** Where gate's (0) or up's (1) values with their deltas lie. */
function part(a: ActivationArgs, token: i32, member: i32, from: i32, count: i32): usize {
  const source = a.gate_up + (<usize>((2 * token + member) * a.FFN + from) << 2);
  if (!a.table) return source;
  const copy = scratch + <usize>(member * OUTPUTS << 2);
  copyBytes(copy, source, <usize>count << 2);
  addLora(copy, source, token, member, from, count, a.step, a.table, a.shrunk, a.adapters, a.ENTRIES, a.GROUP, a.MODULE0, a.RANK4, a.DTYPE);
  return copy;
}
