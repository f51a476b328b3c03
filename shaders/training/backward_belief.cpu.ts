// Semantics and shapes: backward_belief.wgsl, with the quotients of small beliefs taken from logarithms: what is handed
// back is de · r and dρ · ρ' = Σ de (1 − ρ − r), for r as in label_loss.wgsl. Items: sequences.
import { zeroBytes } from "../cpu/bytes.cpu";
import { stayedShare } from "../cpu/belief.cpu";
import { exp1, log1, sigmoid1, withoutTiny } from "../cpu/math.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { sequenceAt } from "../step.cpu";

@unmanaged
export class BackwardBeliefArgs {
  sequences: usize;
  z: usize;
  logits: usize;
  d_logits: usize;
  dz: usize;
  EXPERTS: i32;
  STRIDE: i32;
}

export function backward_belief(args: usize, first: i32, end: i32): void {
  const a = changetype<BackwardBeliefArgs>(args);
  const bytes = <usize>a.EXPERTS << 2, stride = <usize>a.STRIDE << 2;
  const evenly = -log1(<f32>a.EXPERTS);
  const later = scratch;
  for (let s = first; s < end; s++) {
    const sequence = sequenceAt(a.sequences, s);
    zeroBytes(later, bytes);
    for (let n = sequence.count - 1; n >= 0; n--) {
      const t = <usize>(sequence.first + n);
      const turn = load<f32>(a.z + t * stride + bytes), dz = a.dz + t * stride;
      const logits = a.logits + t * bytes, d_logits = a.d_logits + t * bytes;
      let total: f32 = 0;
      for (let e: usize = 0; e < bytes; e += 4) {
        const d = load<f32>(later + e) + load<f32>(d_logits + e);
        store<f32>(later + e, d);
        total += d;
      }
      const stay = sigmoid1(-turn);
      let d_turn: f32 = 0;
      for (let e: usize = 0; e < bytes; e += 4) {
        const before = n == 0 ? evenly : load<f32>(logits + e - bytes);
        const d = withoutTiny(load<f32>(later + e) - exp1(load<f32>(logits + e)) * total);
        const stayed = stayedShare(turn, evenly, before);
        store<f32>(dz + e, d);
        d_turn += d * (stay - stayed);
        store<f32>(later + e, withoutTiny(d * stayed));
      }
      store<f32>(dz + bytes, withoutTiny(d_turn));
      for (let e = bytes + 4; e < stride; e += 4) store<f32>(dz + e, 0);
    }
  }
}
