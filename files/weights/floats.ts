// A whole small tensor as float32: adapters' factors and routers' gates.
// Tensors too big for this stay stored and are read by rows.

import { dequantizeRows } from "./stored/dequantize.ts";
import { checkFinite } from "./stored/finite.ts";
import { rowCount, type StoredTensor } from "./tensor.ts";

/**
 * All elements of a tensor, row-major.
 *
 * @throws MoloraError `tensor_not_finite` for a NaN or an infinity.
 */
export async function readFloats(tensor: StoredTensor): Promise<Float32Array> {
  const bytes = await tensor.readRows(0, rowCount(tensor.shape));
  checkFinite(tensor.name, tensor.type, bytes);
  const out = new Float32Array(tensor.shape.reduce((product, size) => product * size, 1));
  dequantizeRows(tensor.type, bytes, out);
  return out;
}
