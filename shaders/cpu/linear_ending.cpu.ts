// What becomes of a linear layer's sums once they are stored: a bias, or the scale and cap of logits. `rows` of y: up to 8 that lie
// side by side, for each of `tokens`, `stride` bytes apart.
import { loadHigh, loadLow, storeRows } from "./rows.cpu";
import { softcap4 } from "./math.cpu";

/** y[t][i] += bias[i] */
export function addBias(y: usize, stride: usize, bias: usize, rows: i32, tokens: i32): void {
  const low = loadLow(bias, rows, false), high = loadHigh(bias, rows, false);
  for (let t = 0; t < tokens; t++) {
    storeRows(y, f32x4.add(loadLow(y, rows, false), low), f32x4.add(loadHigh(y, rows, false), high), rows);
    y += stride;
  }
}

/** y[t][i] = cap · tanh(scale · y[t][i] / cap), or scale · y[t][i] where cap = 0 */
export function capRows(y: usize, stride: usize, scale: f32, cap: f32, rows: i32, tokens: i32): void {
  const s = f32x4.splat(scale);
  for (let t = 0; t < tokens; t++) {
    let low = f32x4.mul(loadLow(y, rows, false), s), high = f32x4.mul(loadHigh(y, rows, false), s);
    if (cap > 0) {
      low = softcap4(low, cap);
      high = softcap4(high, cap);
    }
    storeRows(y, low, high, rows);
    y += stride;
  }
}
