// Where an adapter's run has what it adds to experts' matrices: what shrinking and expanding share (shaders/experts/shrink_experts.cpu.ts).
import { entryAt, NO_EXPERT } from "../step.cpu";

/** The header of a part for entry j of a token whose entries begin at `first`; 0 where there is none, or its rank is 0. */
export function expertHeader(pool: usize, table: usize, first: i32, j: i32, headers: i32, part: i32): usize {
  for (let i = 0; i <= j; i++) {
    if (entryAt(table, first + i).expert == NO_EXPERT) return 0;
  }
  const address = entryAt(table, first + j).address;
  if (address == 0) return 0;
  const offset = <i32>load<f32>(pool + (<usize>(address + headers) << 4), 4);
  if (offset == 0) return 0;
  const header = pool + (<usize>(address + offset + part) << 4);
  return load<f32>(header, 8) == 0 ? 0 : header;
}

/** The expert of a slot. */
@inline
export function expertOf(chosen: usize, slot: i32): i32 {
  return chosen ? load<i32>(chosen + (<usize>slot << 2)) : 0;
}
