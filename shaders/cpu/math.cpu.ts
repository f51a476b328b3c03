// exp and log of four floats, about 1e-7 relative, without subnormal results. Polynomials: Cephes' expf and logf.
import { madd } from "./simd.cpu";

/** eˣ. Below -87.33 exactly 0 (the next results would be subnormal); above 88.37 e^88.37. */
@inline
export function exp4(x: v128): v128 {
  const least = f32x4.splat(-87.33);
  const v = f32x4.pmin(f32x4.pmax(x, least), f32x4.splat(88.37));
  const n = f32x4.nearest(f32x4.mul(v, f32x4.splat(1.44269504088896341)));
  // ln 2 in two parts, the first of few bits, so that n · 0.693359375 is exact.
  const r = f32x4.sub(f32x4.sub(v, f32x4.mul(n, f32x4.splat(0.693359375))), f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let p = f32x4.splat(1.9875691500e-4);
  p = madd(p, r, f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  p = f32x4.add(madd(f32x4.mul(p, r), r, r), f32x4.splat(1));
  const scaled = i32x4.add(p, i32x4.shl(i32x4.trunc_sat_f32x4_s(n), 23));
  return v128.and(scaled, f32x4.ge(x, least));
}

/** Natural logarithm of normal positive floats. */
@inline
export function log4(x: v128): v128 {
  // x = m · 2ᵉ with m in [√½, √2)
  const shifted = i32x4.sub(x, i32x4.splat(0x3f3504f3));
  const e = f32x4.convert_i32x4_s(i32x4.shr_s(shifted, 23));
  const m = i32x4.add(v128.and(shifted, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3));
  const f = f32x4.sub(m, f32x4.splat(1));
  const z = f32x4.mul(f, f);
  let p = f32x4.splat(7.0376836292e-2);
  p = madd(p, f, f32x4.splat(-1.1514610310e-1));
  p = madd(p, f, f32x4.splat(1.1676998740e-1));
  p = madd(p, f, f32x4.splat(-1.2420140846e-1));
  p = madd(p, f, f32x4.splat(1.4249322787e-1));
  p = madd(p, f, f32x4.splat(-1.6668057665e-1));
  p = madd(p, f, f32x4.splat(2.0000714765e-1));
  p = madd(p, f, f32x4.splat(-2.4999993993e-1));
  p = madd(p, f, f32x4.splat(3.3333331174e-1));
  let y = f32x4.mul(f32x4.mul(f, z), p);
  y = madd(e, f32x4.splat(-2.12194440e-4), y);
  y = madd(z, f32x4.splat(-0.5), y);
  return madd(e, f32x4.splat(0.693359375), f32x4.add(f, y));
}

@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

@inline
export function log1(x: f32): f32 {
  return f32x4.extract_lane(log4(f32x4.splat(x)), 0);
}

/** x · sigmoid(x) */
@inline
export function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(f32x4.splat(1), exp4(f32x4.neg(x))));
}

/** x · (1 + tanh z) / 2 = x · sigmoid(2z), z = √(2/π) (x + 0.044715 x³): GELU's approximation (Hendrycks & Gimpel 2016). */
@inline
export function gelu4(x: v128): v128 {
  const cubed = f32x4.mul(f32x4.mul(x, x), x);
  const z = f32x4.mul(f32x4.splat(1.5957691216057308), madd(f32x4.splat(0.044715), cubed, x));
  return f32x4.div(x, f32x4.add(f32x4.splat(1), exp4(f32x4.neg(z))));
}

/** limit · tanh(x / limit), off by about 1e-7 · limit. */
@inline
export function softcap4(x: v128, limit: f32): v128 {
  const e = exp4(f32x4.mul(x, f32x4.splat(2 / limit)));
  const one = f32x4.splat(1), two = f32x4.splat(2);
  return f32x4.mul(f32x4.splat(limit), f32x4.sub(one, f32x4.div(two, f32x4.add(e, one))));
}

/** 1 / (1 + e⁻ˣ) */
@inline
export function sigmoid4(x: v128): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), exp4(f32x4.neg(x))));
}

/** silu'(x) = σ (1 + x (1 − σ)), given σ = sigmoid(x) */
@inline
export function siluSlope4(x: v128, sigmoid: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.mul(sigmoid, madd(x, f32x4.sub(one, sigmoid), one));
}

/** 1 / (1 + e⁻ˣ), not below 1e-35. */
@inline
export function sigmoid1(x: f32): f32 {
  return 1 / (1 + exp1(min<f32>(-x, 80)));
}

/** log(1 + eˣ) */
@inline
export function softplus1(x: f32): f32 {
  return max<f32>(x, 0) + log1(1 + exp1(-abs<f32>(x)));
}

/** Subnormal lanes as zeros: they cost processors many times what other numbers do. */
@inline
export function withoutSubnormals(x: v128): v128 {
  return v128.and(x, f32x4.ge(f32x4.abs(x), f32x4.splat(1.17549435e-38)));
}

/** What is too small to matter as zero, so that what it is multiplied with next is no subnormal. */
@inline
export function withoutTiny(x: f32): f32 {
  return abs<f32>(x) < 1e-30 ? 0 : x;
}
