// Semantics: ids[t] = the token's id, or the one sampled last for its sequence; residual[t] = SCALE · table[ids[t]]
// Shapes: residual [T, COLS] f32, ids [T], sampled [rows]. The table is [ROWS, COLS] in panels of its FORMAT, or a shard of it
// that begins at FIRST_ROW: then only the shard that has the id writes the residual. Items: tokens.
import { readRow } from "../formats/format.cpu";
import { scaleRow } from "../cpu/norm_row.cpu";
import { ON_DEVICE, sequenceAt, tokenAt } from "../step.cpu";

@unmanaged
export class EmbedArgs {
  quants: usize;
  tokens: usize;
  sequences: usize;
  sampled: usize;
  residual: usize;
  ids: usize;
  FORMAT: i32;
  COLS: i32;
  FIRST_ROW: i32;
  ROWS: i32;
  SCALE: f32;
}

export function embed(args: usize, first: i32, end: i32): void {
  const a = changetype<EmbedArgs>(args);
  for (let t = first; t < end; t++) {
    const token = tokenAt(a.tokens, t);
    let id = token.id;
    if (id == ON_DEVICE) id = load<u32>(a.sampled + (<usize>sequenceAt(a.sequences, token.sequence).slot << 2));
    store<u32>(a.ids + (<usize>t << 2), id);
    const row = id - <u32>a.FIRST_ROW;
    if (row >= <u32>a.ROWS) continue;
    const out = a.residual + (<usize>t * a.COLS << 2);
    readRow(a.FORMAT, a.quants, row, a.COLS, out);
    if (a.SCALE != 1) scaleRow(out, a.COLS, a.SCALE);
  }
}
