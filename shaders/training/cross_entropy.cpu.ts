// Semantics and shapes: cross_entropy.wgsl. Items: rows of logits.
import { across, highest } from "../cpu/lanes.cpu";
import { exp1, exp4, log1 } from "../cpu/math.cpu";
import { lossRowAt } from "./loss_row.cpu";

@unmanaged
export class CrossEntropyArgs {
  rows: usize;
  logits: usize;
  losses: usize;
  VOCAB: i32;
}

/** Of a logit below the highest: what is less likely counts as impossible, so that gradients are no subnormals. */
const LEAST: f32 = -60;

export function cross_entropy(args: usize, first: i32, end: i32): void {
  const a = changetype<CrossEntropyArgs>(args);
  for (let r = first; r < end; r++) {
    const row = lossRowAt(a.rows, r);
    const bytes = <usize>a.VOCAB << 2, logits = a.logits + <usize>r * bytes;
    const label = logits + (<usize>row.label << 2);
    const top = highestOf(logits, bytes);
    const wanted = load<f32>(label);
    const sum = exponentials(logits, bytes, top);
    store<f32>(a.losses + (<usize>r << 2), top + log1(sum) - wanted);
    scale(logits, bytes, row.weight / sum);
    store<f32>(label, load<f32>(label) - row.weight);
  }
}

/** Where the whole vectors of a row end. */
@inline
function wholeVectors(bytes: usize): usize {
  return bytes & ~15;
}

function highestOf(row: usize, bytes: usize): f32 {
  const whole = wholeVectors(bytes);
  let top = f32x4.splat(-3.0e38);
  for (let i: usize = 0; i < whole; i += 16) top = f32x4.pmax(top, v128.load(row + i));
  let most = highest(top);
  for (let i = whole; i < bytes; i += 4) most = max<f32>(most, load<f32>(row + i));
  return most;
}

/** Leaves e^(logit − top) where the logits were, and gives their sum. */
function exponentials(row: usize, bytes: usize, top: f32): f32 {
  const whole = wholeVectors(bytes), pairs = bytes & ~31;
  const peak = f32x4.splat(top), least = f32x4.splat(LEAST);
  let even = f32x4.splat(0), odd = even;
  let i: usize = 0;
  for (; i < pairs; i += 32) {
    const x = f32x4.sub(v128.load(row + i), peak), y = f32x4.sub(v128.load(row + i, 16), peak);
    const e = v128.and(exp4(x), f32x4.ge(x, least)), f = v128.and(exp4(y), f32x4.ge(y, least));
    v128.store(row + i, e);
    v128.store(row + i, f, 16);
    even = f32x4.add(even, e);
    odd = f32x4.add(odd, f);
  }
  for (; i < whole; i += 16) {
    const x = f32x4.sub(v128.load(row + i), peak);
    const e = v128.and(exp4(x), f32x4.ge(x, least));
    v128.store(row + i, e);
    even = f32x4.add(even, e);
  }
  let sum = across(f32x4.add(even, odd));
  for (; i < bytes; i += 4) {
    const x = load<f32>(row + i) - top;
    const e = x >= LEAST ? exp1(x) : 0;
    store<f32>(row + i, e);
    sum += e;
  }
  return sum;
}

function scale(row: usize, bytes: usize, factor: f32): void {
  const whole = wholeVectors(bytes), factors = f32x4.splat(factor);
  for (let i: usize = 0; i < whole; i += 16) v128.store(row + i, f32x4.mul(v128.load(row + i), factors));
  for (let i = whole; i < bytes; i += 4) store<f32>(row + i, load<f32>(row + i) * factor);
}
