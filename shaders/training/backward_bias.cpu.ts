// Semantics and shapes: backward_bias.wgsl. Items: ceil(ROWS / 4): four rows, over all tokens.
import { stepAt } from "../step.cpu";

@unmanaged
export class BackwardBiasArgs {
  step: usize;
  dy: usize;
  db: usize;
  ROWS: i32;
}

export function backward_bias(args: usize, first: i32, end: i32): void {
  const a = changetype<BackwardBiasArgs>(args);
  const tokens = stepAt(a.step).tokens;
  const stride = <usize>a.ROWS << 2;
  for (let item = first; item < end; item++) {
    const at = <usize>item << 4;
    if (4 * item + 4 <= a.ROWS) {
      let sum = v128.load(a.db + at);
      for (let t = 0; t < tokens; t++) sum = f32x4.add(sum, v128.load(a.dy + at + <usize>t * stride));
      v128.store(a.db + at, sum);
    } else {
      for (let i = at; i < stride; i += 4) {
        let sum = load<f32>(a.db + i);
        for (let t = 0; t < tokens; t++) sum += load<f32>(a.dy + i + <usize>t * stride);
        store<f32>(a.db + i, sum);
      }
    }
  }
}
