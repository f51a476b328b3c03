// Semantics and shapes: expert_load.wgsl. Items: experts.
import { stepAt } from "../step.cpu";

@unmanaged
export class ExpertLoadArgs {
  step: usize;
  gates: usize;
  p: usize;
  load: usize;
  EXPERTS: i32;
  TOP_K: i32;
}

export function expert_load(args: usize, first: i32, end: i32): void {
  const a = changetype<ExpertLoadArgs>(args);
  const tokens = stepAt(a.step).tokens;
  for (let e = first; e < end; e++) {
    let chosen = 0;
    let sum: f32 = 0;
    for (let t = 0; t < tokens; t++) {
      const at = <usize>(t * a.EXPERTS + e) << 2;
      if (load<f32>(a.gates + at) > 0) chosen++;
      sum += load<f32>(a.p + at);
    }
    const out = a.load + (<usize>e << 3);
    store<f32>(out, <f32>chosen / <f32>(a.TOP_K * tokens));
    store<f32>(out, sum / <f32>tokens, 4);
  }
}
