// Semantics: for each row of logits, the table entries that its token had in every layer, packed for the host.
// Shapes: table [LAYERS, STRIDE], of which [T, ENTRIES] are used; trace [R, LAYERS, ENTRIES] of (expert, gate as f32 bits).
// Items: rows of logits.
import { entryAt, logitRowAt } from "../step.cpu";

@unmanaged
export class TraceArgs {
  rows: usize;
  table: usize;
  trace: usize;
  LAYERS: i32;
  STRIDE: i32;
  ENTRIES: i32;
}

export function trace(args: usize, first: i32, end: i32): void {
  const a = changetype<TraceArgs>(args);
  let out = a.trace + (<usize>(first * a.LAYERS * a.ENTRIES) << 3);
  for (let r = first; r < end; r++) {
    const token = logitRowAt(a.rows, r).token;
    for (let layer = 0; layer < a.LAYERS; layer++) {
      for (let j = 0; j < a.ENTRIES; j++) {
        const entry = entryAt(a.table, layer * a.STRIDE + token * a.ENTRIES + j);
        store<u32>(out, entry.expert);
        store<f32>(out, entry.gate, 4);
        out += 8;
      }
    }
  }
}
