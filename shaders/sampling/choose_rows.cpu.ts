// Semantics: logits[r] = others[r] for the rows r that are taken (taken[r] ≠ 0); the others stay.
// Shapes: taken [R] u32; others, logits [R, VOCAB] f32. Items: rows.
import { copyBytes } from "../cpu/bytes.cpu";

@unmanaged
export class ChooseRowsArgs {
  taken: usize;
  others: usize;
  logits: usize;
  VOCAB: i32;
}

export function choose_rows(args: usize, first: i32, end: i32): void {
  const a = changetype<ChooseRowsArgs>(args);
  const bytes = <usize>a.VOCAB << 2;
  for (let r = first; r < end; r++) {
    if (load<u32>(a.taken + (<usize>r << 2))) copyBytes(a.logits + <usize>r * bytes, a.others + <usize>r * bytes, bytes);
  }
}
