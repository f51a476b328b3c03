// Semantics: output[t] = Σ_k weights[t, k] · parts[t, k]
// Shapes: parts [T, USED, HIDDEN], weights [T, USED], output [T, HIDDEN] f32. Items: tokens.
import { zeroBytes } from "../cpu/bytes.cpu";
import { addRow } from "../cpu/norm_row.cpu";

@unmanaged
export class SumExpertsArgs {
  parts: usize;
  weights: usize;
  output: usize;
  HIDDEN: i32;
  USED: i32;
}

export function sum_experts(args: usize, first: i32, end: i32): void {
  const a = changetype<SumExpertsArgs>(args);
  const bytes = <usize>a.HIDDEN << 2;
  for (let t = first; t < end; t++) {
    const output = a.output + <usize>t * bytes;
    zeroBytes(output, bytes);
    for (let k = 0; k < a.USED; k++) {
      const slot = <usize>(t * a.USED + k);
      addRow(output, a.parts + slot * bytes, a.HIDDEN, load<f32>(a.weights + (slot << 2)));
    }
  }
}
