// LoRA's B side: y[i] += Σ_j B[table[t, j]][member][first + i, :] · shrunk[t, j, member, :]
//   + gate · (gain[first + i] · base[i] + shift[first + i])   for i < rows; base: the linear layer's own output there.
// Adapter run at `address` (vec4 units): 8 headers (offset of A, offset of B, rank, offset of changed rows or 0), then the
// matrices, held as DTYPE (factors.cpu.ts). The twin of lora/lora_gather.wgsl; gates are in `shrunk`, scales in B.
import { entryAt, NO_EXPERT, stepAt } from "../step.cpu";
import { expandFour, strideB } from "./factors.cpu";

/** The header of a module in an adapter's run: four floats. */
@inline
export function headerAt(adapters: usize, address: i32, module: i32): usize {
  return adapters + (<usize>(address + module) << 4);
}

/** `first` and `rows`: multiples of 4. A null `table`: a step without adapters. */
export function addLora(
  y: usize, base: usize, token: i32, member: i32, first: i32, rows: i32,
  step: usize, table: usize, shrunk: usize, adapters: usize, ENTRIES: i32, GROUP: i32, MODULE0: i32, RANK4: i32,
  DTYPE: i32,
): void {
  if (!table) return;
  const entries = stepAt(step).entries;
  for (let j = 0; j < entries; j++) {
    const entry = entryAt(table, token * ENTRIES + j);
    if (entry.expert == NO_EXPERT) return;
    if (entry.address == 0) continue;
    const header = headerAt(adapters, entry.address, MODULE0 + member);
    const changed = <i32>load<f32>(header, 12);
    if (changed) changeRows(y, base, rows, entry.gate, adapters + (<usize>(entry.address + changed + first / 2) << 4));
    const bytes = <usize>((<i32>load<f32>(header, 8) + 3) >> 2) << 4;
    if (bytes == 0) continue;
    const stride = strideB(DTYPE, bytes);
    let b = adapters + (<usize>(entry.address + <i32>load<f32>(header, 4)) << 4) + <usize>(first >> 2) * stride;
    const h = shrunk + (<usize>(((token * ENTRIES + j) * GROUP + member) * RANK4) << 4);
    for (let i: usize = 0; i < <usize>rows << 2; i += 16) {
      v128.store(y + i, f32x4.add(v128.load(y + i), expandFour(DTYPE, h, b, bytes)));
      b += stride;
    }
  }
}

/** `changed`: gain and shift of four rows each, by turns. */
function changeRows(y: usize, base: usize, rows: i32, gate: f32, changed: usize): void {
  const g = f32x4.splat(gate);
  for (let i: usize = 0; i < <usize>rows << 2; i += 16) {
    const row = f32x4.add(f32x4.mul(v128.load(changed), v128.load(base + i)), v128.load(changed, 16));
    v128.store(y + i, f32x4.add(v128.load(y + i), f32x4.mul(g, row)));
    changed += 32;
  }
}
