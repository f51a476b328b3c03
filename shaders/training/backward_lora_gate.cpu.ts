// Semantics and shapes: backward_lora_gate.wgsl. Items: tokens.

@unmanaged
export class BackwardLoraGateArgs {
  owners: usize;
  gates: usize;
  hidden: usize;
  d: usize;
  d_gates: usize;
  RANKS: i32;
  EXPERTS: i32;
}

export function backward_lora_gate(args: usize, first: i32, end: i32): void {
  const a = changetype<BackwardLoraGateArgs>(args);
  for (let t = first; t < end; t++) {
    const gates = <usize>(t * a.EXPERTS) << 2, at = <usize>(t * a.RANKS) << 2;
    for (let r: usize = 0; r < <usize>a.RANKS << 2; r += 4) {
      const owner = a.owners + 2 * r;
      const gate = gates + (<usize>load<f32>(owner) << 2);
      const g = load<f32>(owner, 4) * load<f32>(a.d + at + r);
      store<f32>(a.d_gates + gate, load<f32>(a.d_gates + gate) + load<f32>(a.hidden + at + r) * g);
      store<f32>(a.d + at + r, load<f32>(a.gates + gate) * g);
    }
  }
}
