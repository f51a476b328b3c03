// Semantics: for each row of logits, the experts that its token took in every layer and their weights, packed for the host.
// Shapes: chosen, weights [LAYERS, STRIDE], of which [T, USED] are used; trace [R, LAYERS, USED] of (expert, weight as f32 bits).
// Items: rows of logits.
import { logitRowAt } from "../step.cpu";

@unmanaged
export class TraceExpertsArgs {
  rows: usize;
  chosen: usize;
  weights: usize;
  trace: usize;
  LAYERS: i32;
  STRIDE: i32;
  USED: i32;
}

export function trace_experts(args: usize, first: i32, end: i32): void {
  const a = changetype<TraceExpertsArgs>(args);
  let out = a.trace + (<usize>(first * a.LAYERS * a.USED) << 3);
  for (let r = first; r < end; r++) {
    const token = logitRowAt(a.rows, r).token;
    for (let layer = 0; layer < a.LAYERS; layer++) {
      const at = <usize>(layer * a.STRIDE + token * a.USED) << 2;
      for (let k: usize = 0; k < <usize>a.USED << 2; k += 4) {
        store<u32>(out, load<u32>(a.chosen + at + k));
        store<f32>(out, load<f32>(a.weights + at + k), 4);
        out += 8;
      }
    }
  }
}
