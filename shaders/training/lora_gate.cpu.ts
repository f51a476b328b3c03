// Semantics and shapes: lora_gate.wgsl. Items: tokens.

@unmanaged
export class LoraGateArgs {
  owners: usize;
  gates: usize;
  hidden: usize;
  gated: usize;
  RANKS: i32;
  EXPERTS: i32;
}

export function lora_gate(args: usize, first: i32, end: i32): void {
  const a = changetype<LoraGateArgs>(args);
  for (let t = first; t < end; t++) {
    const gates = a.gates + (<usize>(t * a.EXPERTS) << 2);
    const at = <usize>(t * a.RANKS) << 2;
    for (let r: usize = 0; r < <usize>a.RANKS << 2; r += 4) {
      const owner = a.owners + 2 * r;
      const gate = load<f32>(gates + (<usize>load<f32>(owner) << 2));
      store<f32>(a.gated + at + r, gate * load<f32>(owner, 4) * load<f32>(a.hidden + at + r));
    }
  }
}
