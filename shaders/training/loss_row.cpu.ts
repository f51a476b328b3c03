// A row of logits whose label's loss is wanted: LOSS_ROW of cross_entropy.ts.

@unmanaged
export class LossRow {
  token: i32;
  label: i32;
  weight: f32;
  pad: u32;
}

@inline export function lossRowAt(rows: usize, r: i32): LossRow { return changetype<LossRow>(rows + (<usize>r << 4)); }
