// An embedding or an output head as an adapter changes it, row by row as it is read: nothing whole is held twice.

import type { TableChange } from "../../files/lora/vocabulary.ts";
import { dequantizeRows } from "../../files/weights/stored/dequantize.ts";
import { checkFinite } from "../../files/weights/stored/finite.ts";
import type { StoredTensor } from "../../files/weights/tensor.ts";

/** A table [size, hidden] in float32, or the adapter's own as it is stored where nothing else is changed. */
export function changedTable(
  base: StoredTensor,
  { table = base, pair, rows }: TableChange,
  size: number,
): StoredTensor {
  if (pair === undefined && rows === undefined) return table;
  const [vocabulary, hidden] = table.shape;
  const readRows = async (from: number, to: number) => {
    const values = new Float32Array((to - from) * hidden);
    // Rows behind the table's last are all among the replaced.
    const end = Math.min(to, vocabulary);
    if (from < end) {
      const bytes = await table.readRows(from, end);
      checkFinite(table.name, table.type, bytes);
      dequantizeRows(table.type, bytes, values.subarray(0, (end - from) * hidden));
    }
    for (let id = from; id < to; id++) {
      const row = values.subarray((id - from) * hidden, (id - from + 1) * hidden);
      const replaced = rows?.get(id);
      if (replaced !== undefined) row.set(replaced);
      else if (pair !== undefined) addPair(row, pair, id);
    }
    return new Uint8Array(values.buffer);
  };
  return {
    name: `${table.name}, changed`,
    type: "f32",
    shape: [size, hidden],
    bytes: 4 * size * hidden,
    readRows,
  };
}

/** row += scale · B[id] · A */
function addPair(row: Float32Array, { rank, scale, a, b }: NonNullable<TableChange["pair"]>, id: number): void {
  for (let r = 0; r < rank; r++) {
    const factor = scale * b[id * rank + r];
    if (factor === 0) continue;
    for (let k = 0; k < row.length; k++) row[k] += factor * a[r * row.length + k];
  }
}
