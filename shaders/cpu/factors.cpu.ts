// Products with the factors of adapters, by what they are held in: the twin of lora/factors_*.wgsl, which say how they lie.
// A's sums have the order of dots.cpu.ts, B's that of the columns; in blocks of int8, each block's sums are scaled and then added up.
import { dotsOne, dotsTwo } from "./dots.cpu";
import { acrossFour, bytesHigh, bytesLow, widenHigh, widenLow } from "./lanes.cpu";
import { madd } from "./simd.cpu";

/** Values of a kernel's DTYPE. */
export const F32: i32 = 0;
export const F16: i32 = 1;
export const Q8_0: i32 = 2;
export const Q4_0: i32 = 3;

/** Bytes of a block of 32 columns, as floats. */
const BLOCK: usize = 128;

/** Bytes of a row of A; `bytes`: of its columns as floats. */
@inline
export function strideA(dtype: i32, bytes: usize): usize {
  if (dtype == F16) return (bytes + 31) >> 5 << 4;
  if (dtype == Q8_0) return scalesA(bytes) + ((bytes + 63) >> 6 << 4);
  if (dtype == Q4_0) return scalesA(bytes) + ((bytes + 127) >> 7 << 4);
  return bytes;
}

@inline
function scalesA(bytes: usize): usize {
  return (bytes + 511) >> 9 << 4;
}

/** Bytes of four rows of B; `bytes`: of a row as floats, whole vec4s. */
@inline
export function strideB(dtype: i32, bytes: usize): usize {
  if (dtype == F16) return bytes << 1;
  const scales = (bytes + BLOCK - 1) / BLOCK << 4;
  if (dtype == Q8_0) return scales + bytes;
  if (dtype == Q4_0) return scales + ((bytes + 31) >> 5 << 4);
  return bytes << 2;
}

/** Lane i: the product of x with row i of A, of four. */
export function shrinkOne(dtype: i32, x: usize, r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize): v128 {
  if (dtype == F16) return oneHalf(x, r0, r1, r2, r3, bytes);
  if (dtype == Q8_0) return oneInBlocks(Q8_0, x, r0, r1, r2, r3, bytes);
  if (dtype == Q4_0) return oneInBlocks(Q4_0, x, r0, r1, r2, r3, bytes);
  return dotsOne(x, r0, r1, r2, r3, bytes);
}

/** The same for two vectors; four floats at `out`, and four at `out + 16`. */
export function shrinkTwo(
  dtype: i32, x: usize, x1: usize, r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize, out: usize,
): void {
  if (dtype == F16) return twoHalf(x, x1, r0, r1, r2, r3, bytes, out);
  if (dtype == F32) return dotsTwo(x, x1, r0, r1, r2, r3, bytes, out);
  // One after the other: the running sums of two, and a block's sums of two, would not stay in registers.
  v128.store(out, shrinkOne(dtype, x, r0, r1, r2, r3, bytes));
  v128.store(out, shrinkOne(dtype, x1, r0, r1, r2, r3, bytes), 16);
}

/** Lane i: the product of h with row i of the four rows of B at `b`, a column at a time. `bytes`: of h. */
@inline
export function expandFour(dtype: i32, h: usize, b: usize, bytes: usize): v128 {
  if (dtype == F16) return fourHalf(h, b, bytes);
  if (dtype == Q8_0) return fourByte(h, b, bytes);
  if (dtype == Q4_0) return fourNibble(h, b, bytes);
  return fourFloat(h, b, bytes);
}

/** Four halves as floats. */
@inline
function half(at: usize): v128 {
  return widenLow(v128.load64_zero(at));
}

/** Four signed bytes as floats. */
@inline
function byte(at: usize): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(at))));
}

function oneHalf(x: usize, r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize): v128 {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  for (let k: usize = 0; k < bytes; k += 16) {
    const v = v128.load(x + k), at = k >> 1;
    a = madd(v, half(r0 + at), a);
    b = madd(v, half(r1 + at), b);
    c = madd(v, half(r2 + at), c);
    d = madd(v, half(r3 + at), d);
  }
  return acrossFour(a, b, c, d);
}

function twoHalf(x: usize, x1: usize, r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize, out: usize): void {
  let a = f32x4.splat(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
  for (let k: usize = 0; k < bytes; k += 16) {
    const v = v128.load(x + k), u = v128.load(x1 + k), at = k >> 1;
    let r = half(r0 + at);
    a = madd(v, r, a);
    e = madd(u, r, e);
    r = half(r1 + at);
    b = madd(v, r, b);
    f = madd(u, r, f);
    r = half(r2 + at);
    c = madd(v, r, c);
    g = madd(u, r, g);
    r = half(r3 + at);
    d = madd(v, r, d);
    h = madd(u, r, h);
  }
  v128.store(out, acrossFour(a, b, c, d));
  v128.store(out, acrossFour(e, f, g, h), 16);
}

/** Four numbers of 4 bits, the first in the lowest, as floats. */
@inline
function nibbles(at: usize): v128 {
  const placed = v128.and(v128.load16_splat(at), i32x4(0xf, 0xf0, 0xf00, 0xf000));
  return madd(f32x4.convert_i32x4_s(placed), f32x4(1, 0.0625, 0.00390625, 0.000244140625), f32x4.splat(-8));
}

/** Four columns of a row, `k` bytes of floats in. */
@inline
function numbers(dtype: i32, row: usize, k: usize): v128 {
  return dtype == Q8_0 ? byte(row + (k >> 2)) : nibbles(row + (k >> 3));
}

@inline
function oneInBlocks(dtype: i32, x: usize, r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize): v128 {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  const quants = scalesA(bytes);
  const q0 = r0 + quants, q1 = r1 + quants, q2 = r2 + quants, q3 = r3 + quants;
  for (let k: usize = 0; k < bytes; ) {
    const scale = k / BLOCK << 2, end = min(k + BLOCK, bytes);
    let p = f32x4.splat(0), q = p, r = p, s = p;
    for (; k < end; k += 16) {
      const v = v128.load(x + k);
      p = madd(v, numbers(dtype, q0, k), p);
      q = madd(v, numbers(dtype, q1, k), q);
      r = madd(v, numbers(dtype, q2, k), r);
      s = madd(v, numbers(dtype, q3, k), s);
    }
    a = madd(v128.load32_splat(r0 + scale), p, a);
    b = madd(v128.load32_splat(r1 + scale), q, b);
    c = madd(v128.load32_splat(r2 + scale), r, c);
    d = madd(v128.load32_splat(r3 + scale), s, d);
  }
  return acrossFour(a, b, c, d);
}

@inline
function column(h: usize, rows: v128, sum: v128): v128 {
  return madd(v128.load32_splat(h), rows, sum);
}

function fourFloat(h: usize, b: usize, bytes: usize): v128 {
  let sum = f32x4.splat(0);
  for (const end = h + bytes; h < end; h += 16) {
    sum = column(h, v128.load(b), sum);
    sum = column(h + 4, v128.load(b, 16), sum);
    sum = column(h + 8, v128.load(b, 32), sum);
    sum = column(h + 12, v128.load(b, 48), sum);
    b += 64;
  }
  return sum;
}

function fourHalf(h: usize, b: usize, bytes: usize): v128 {
  let sum = f32x4.splat(0);
  for (const end = h + bytes; h < end; h += 16) {
    const low = v128.load(b), high = v128.load(b, 16);
    sum = column(h, widenLow(low), sum);
    sum = column(h + 4, widenHigh(low), sum);
    sum = column(h + 8, widenLow(high), sum);
    sum = column(h + 12, widenHigh(high), sum);
    b += 32;
  }
  return sum;
}

function fourByte(h: usize, b: usize, bytes: usize): v128 {
  let sum = f32x4.splat(0);
  for (const end = h + bytes; h < end; ) {
    const scales = v128.load(b), last = min(h + BLOCK, end);
    b += 16;
    let part = f32x4.splat(0);
    for (; h < last; h += 16) {
      part = column(h, bytesLow(b), part);
      part = column(h + 4, bytesHigh(b), part);
      part = column(h + 8, bytesLow(b + 8), part);
      part = column(h + 12, bytesHigh(b + 8), part);
      b += 16;
    }
    sum = madd(scales, part, sum);
  }
  return sum;
}

function fourNibble(h: usize, b: usize, bytes: usize): v128 {
  let sum = f32x4.splat(0);
  for (const end = h + bytes; h < end; ) {
    const scales = v128.load(b), last = min(h + BLOCK, end);
    b += 16;
    let part = f32x4.splat(0);
    for (; h < last; h += 16) {
      part = column(h, nibbles(b), part);
      part = column(h + 4, nibbles(b + 2), part);
      part = column(h + 8, nibbles(b + 4), part);
      part = column(h + 12, nibbles(b + 6), part);
      b += 8;
    }
    sum = madd(scales, part, sum);
  }
  return sum;
}
