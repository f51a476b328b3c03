// What causal attention over whole sequences and its two gradients have in common: runs of neighbouring tokens of one
// sequence, and products of rows with a tile of keys. A head has whole panels of 8 values, at most 256 (scratch memory).
// Tiles begin at a sequence's first token, and rows do not mix, so what comes out depends on the sequence alone.
import { exp4 } from "./math.cpu";
import { tileFloats } from "./tile_floats.cpu";
import { sequenceAt, tokenAt } from "../step.cpu";

/** Neighbouring tokens of an item. */
export const TOKENS: i32 = 32;
/** Keys of a tile. */
export const KEYS: i32 = 64;
export const KEY_BYTES: usize = <usize>KEYS << 2;
/** Of p: what is less likely counts as impossible, so that gradients are no subnormals. */
const LEAST: f32 = -60;

/** Tokens from `token` to `end` that belong to its sequence. */
export function runLength(tokens: usize, sequences: usize, token: i32, end: i32): i32 {
  const sequence = sequenceAt(sequences, tokenAt(tokens, token).sequence);
  return min(end, sequence.first + sequence.count) - token;
}

/**
 * out[i][s] = Σ_d rows[i][d] · keys[s][d] for `count` rows that lie `stride` bytes apart, in groups of four; keys as panels
 * [width][8 keys]. Rows of `out` are KEYS long, and are written for whole groups of 8 keys.
 */
export function scoreTile(panels: usize, width: i32, seen: i32, rows: usize, stride: usize, count: i32, out: usize): void {
  for (let n = 0; n < count; n += 4) {
    const r0 = rows + <usize>n * stride, last = count - 1;
    const r1 = rows + <usize>min(n + 1, last) * stride;
    const r2 = rows + <usize>min(n + 2, last) * stride, r3 = rows + <usize>min(n + 3, last) * stride;
    const s1 = out + <usize>min(n + 1, last) * KEY_BYTES;
    const s2 = out + <usize>min(n + 2, last) * KEY_BYTES, s3 = out + <usize>min(n + 3, last) * KEY_BYTES;
    let panel = panels;
    for (let s: usize = 0; s < <usize>seen << 2; s += 32) {
      tileFloats(panel, width, r0, r1, r2, r3, out + <usize>n * KEY_BYTES + s, s1 + s, s2 + s, s3 + s, 8, true);
      panel += <usize>width << 5;
    }
  }
}

/** sums[i][d] += Σ_s weights[i][s] · values[s][d], likewise; values as panels [seen][8]. `begin`: sums were 0. */
export function weighTile(
  panels: usize, width: i32, seen: i32, weights: usize, sums: usize, stride: usize, count: i32, begin: bool,
): void {
  for (let n = 0; n < count; n += 4) {
    const w0 = weights + <usize>n * KEY_BYTES, last = count - 1;
    const w1 = weights + <usize>min(n + 1, last) * KEY_BYTES;
    const w2 = weights + <usize>min(n + 2, last) * KEY_BYTES, w3 = weights + <usize>min(n + 3, last) * KEY_BYTES;
    const y0 = sums + <usize>n * stride, y1 = sums + <usize>min(n + 1, last) * stride;
    const y2 = sums + <usize>min(n + 2, last) * stride, y3 = sums + <usize>min(n + 3, last) * stride;
    let panel = panels;
    for (let d = 0; d < width; d += 8) {
      const at = <usize>d << 2;
      tileFloats(panel, seen, w0, w1, w2, w3, y0 + at, y1 + at, y2 + at, y3 + at, min(8, width - d), begin);
      panel += <usize>seen << 5;
    }
  }
}

/**
 * A row of scores to p, and of products do · v to their gradients, in place: p = exp(score · scale − lse) for keys up to
 * `visible`, 0 behind; ds = p (do · v − delta) · scale. `seen`: in whole groups of 8.
 */
export function gradientRow(scores: usize, products: usize, seen: i32, visible: i32, scale: f32, lse: f32, delta: f32): void {
  const scales = f32x4.splat(scale), off = f32x4.splat(lse), own = f32x4.splat(delta), position = i32x4.splat(visible);
  let at = i32x4(0, 1, 2, 3);
  for (let i: usize = 0; i < <usize>seen << 2; i += 16) {
    const log = f32x4.sub(f32x4.mul(v128.load(scores + i), scales), off);
    const counts = v128.and(i32x4.le_s(at, position), f32x4.ge(log, f32x4.splat(LEAST)));
    const p = v128.and(exp4(log), counts);
    v128.store(scores + i, p);
    const d = f32x4.mul(f32x4.mul(p, f32x4.sub(v128.load(products + i), own)), scales);
    v128.store(products + i, v128.and(d, counts));
    at = i32x4.add(at, i32x4.splat(4));
  }
}
