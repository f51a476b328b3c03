// Semantics and shapes: belief.wgsl, in logarithms throughout (cpu/belief.cpu.ts). Items: sequences.
import { mixedLog } from "../cpu/belief.cpu";
import { exp1, log1, softplus1 } from "../cpu/math.cpu";
import { sequenceAt } from "../step.cpu";

@unmanaged
export class BeliefArgs {
  sequences: usize;
  z: usize;
  logits: usize;
  EXPERTS: i32;
  STRIDE: i32;
}

export function belief(args: usize, first: i32, end: i32): void {
  const a = changetype<BeliefArgs>(args);
  const bytes = <usize>a.EXPERTS << 2, stride = <usize>a.STRIDE << 2;
  const evenly = -log1(<f32>a.EXPERTS);
  for (let s = first; s < end; s++) {
    const sequence = sequenceAt(a.sequences, s);
    let z = a.z + <usize>sequence.first * stride, logits = a.logits + <usize>sequence.first * bytes;
    for (let t = 0; t < sequence.count; t++) {
      const turn = load<f32>(z + bytes);
      const stay = -softplus1(turn), change = evenly - softplus1(-turn);
      let top: f32 = -3.0e38;
      for (let e: usize = 0; e < bytes; e += 4) {
        const before = t == 0 ? evenly : load<f32>(logits + e - bytes);
        const log = load<f32>(z + e) + mixedLog(stay + before, change);
        store<f32>(logits + e, log);
        top = max<f32>(top, log);
      }
      let sum: f32 = 0;
      for (let e: usize = 0; e < bytes; e += 4) sum += exp1(load<f32>(logits + e) - top);
      const normaliser = top + log1(sum);
      for (let e: usize = 0; e < bytes; e += 4) store<f32>(logits + e, load<f32>(logits + e) - normaliser);
      z += stride;
      logits += bytes;
    }
  }
}
