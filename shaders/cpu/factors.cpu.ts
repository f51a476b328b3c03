// Products with the factors of adapters, by what they are held in: the twin of lora/factors_*.wgsl, which say how they lie.
// Sums have the order of dots.cpu.ts; in blocks of int8, each block's sums are scaled and then added up.
import { dotsOne, dotsTwo } from "./dots.cpu";
import { acrossFour, bytesHigh, bytesLow, widenHigh, widenLow } from "./lanes.cpu";
import { madd } from "./simd.cpu";

/** Values of a kernel's DTYPE. */
export const F16: i32 = 1;
export const Q8_0: i32 = 2;

/** Bytes of a block of 32 columns, as floats. */
const BLOCK: usize = 128;

/** Bytes of a row of A; `bytes`: of its columns as floats. */
@inline
export function strideA(dtype: i32, bytes: usize): usize {
  if (dtype == F16) return (bytes + 31) >> 5 << 4;
  if (dtype == Q8_0) return scalesA(bytes) + ((bytes + 63) >> 6 << 4);
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
  if (dtype == Q8_0) return bytes + ((bytes + BLOCK - 1) / BLOCK << 4);
  return bytes << 2;
}

/** Lane i: the product of x with row i of A, of four. */
export function shrinkOne(dtype: i32, x: usize, r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize): v128 {
  if (dtype == F16) return oneHalf(x, r0, r1, r2, r3, bytes);
  if (dtype == Q8_0) return oneByte(x, r0, r1, r2, r3, bytes);
  return dotsOne(x, r0, r1, r2, r3, bytes);
}

/** The same for two vectors; four floats at `out`, and four at `out + 16`. */
export function shrinkTwo(
  dtype: i32, x: usize, x1: usize, r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize, out: usize,
): void {
  if (dtype == F16) return twoHalf(x, x1, r0, r1, r2, r3, bytes, out);
  if (dtype == Q8_0) return twoByte(x, x1, r0, r1, r2, r3, bytes, out);
  dotsTwo(x, x1, r0, r1, r2, r3, bytes, out);
}

/** Lane i: the product of h with row i of the four rows of B at `b`. `bytes`: of h. */
@inline
export function expandFour(dtype: i32, h: usize, b: usize, bytes: usize): v128 {
  if (dtype == F16) return fourHalf(h, b, bytes);
  if (dtype == Q8_0) return fourByte(h, b, bytes);
  return dotsOne(h, b, b + bytes, b + 2 * bytes, b + 3 * bytes, bytes);
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

function oneByte(x: usize, r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize): v128 {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  const quants = scalesA(bytes);
  for (let k: usize = 0; k < bytes; ) {
    const scale = k / BLOCK << 2, end = min(k + BLOCK, bytes);
    let p = f32x4.splat(0), q = p, r = p, s = p;
    for (; k < end; k += 16) {
      const v = v128.load(x + k), at = quants + (k >> 2);
      p = madd(v, byte(r0 + at), p);
      q = madd(v, byte(r1 + at), q);
      r = madd(v, byte(r2 + at), r);
      s = madd(v, byte(r3 + at), s);
    }
    a = madd(v128.load32_splat(r0 + scale), p, a);
    b = madd(v128.load32_splat(r1 + scale), q, b);
    c = madd(v128.load32_splat(r2 + scale), r, c);
    d = madd(v128.load32_splat(r3 + scale), s, d);
  }
  return acrossFour(a, b, c, d);
}

function twoByte(x: usize, x1: usize, r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize, out: usize): void {
  // One after the other: sixteen running sums and a scaled block's sums would not stay in registers.
  v128.store(out, oneByte(x, r0, r1, r2, r3, bytes));
  v128.store(out, oneByte(x1, r0, r1, r2, r3, bytes), 16);
}

function fourHalf(h: usize, b: usize, bytes: usize): v128 {
  let p = f32x4.splat(0), q = p, r = p, s = p;
  for (let k: usize = 0; k < bytes; k += 16) {
    const v = v128.load(h + k), low = v128.load(b), high = v128.load(b, 16);
    p = madd(v, widenLow(low), p);
    q = madd(v, widenHigh(low), q);
    r = madd(v, widenLow(high), r);
    s = madd(v, widenHigh(high), s);
    b += 32;
  }
  return acrossFour(p, q, r, s);
}

function fourByte(h: usize, b: usize, bytes: usize): v128 {
  let sum = f32x4.splat(0);
  for (let k: usize = 0; k < bytes; ) {
    const scales = v128.load(b), end = min(k + BLOCK, bytes);
    b += 16;
    let p = f32x4.splat(0), q = p, r = p, s = p;
    for (; k < end; k += 16) {
      const v = v128.load(h + k);
      p = madd(v, bytesLow(b), p);
      q = madd(v, bytesHigh(b), q);
      r = madd(v, bytesLow(b + 8), r);
      s = madd(v, bytesHigh(b + 8), s);
      b += 16;
    }
    sum = madd(scales, acrossFour(p, q, r, s), sum);
  }
  return sum;
}
