// The second half of attention: sums[d] = sums[d] · correction + Σ_p weights[p] · V[p, d], position by position, for a row or two.
// `values`: where page 0 has V of the head; `list`: the tile's page numbers; `seen`: positions, whose weights are `bytes` long rows.
import { madd } from "./simd.cpu";

@inline
function cellOf(values: usize, pageBytes: usize, list: usize, p: i32, bytes: usize): usize {
  return values + <usize>load<u32>(list + (<usize>(p >> 4) << 2)) * pageBytes + <usize>(p & 15) * bytes;
}

/** Eight vectors of a row at a time, then the rest one by one. */
export function weightedOne(
  values: usize, pageBytes: usize, list: usize, seen: i32, bytes: usize, weights: usize, correction: f32, sums: usize,
): void {
  const c = f32x4.splat(correction);
  let d: usize = 0;
  for (; d + 128 <= bytes; d += 128) {
    const s = sums + d;
    let s0 = f32x4.mul(v128.load(s), c), s1 = f32x4.mul(v128.load(s, 16), c);
    let s2 = f32x4.mul(v128.load(s, 32), c), s3 = f32x4.mul(v128.load(s, 48), c);
    let s4 = f32x4.mul(v128.load(s, 64), c), s5 = f32x4.mul(v128.load(s, 80), c);
    let s6 = f32x4.mul(v128.load(s, 96), c), s7 = f32x4.mul(v128.load(s, 112), c);
    for (let p = 0; p < seen; p += 16) {
      let v = cellOf(values, pageBytes, list, p, bytes) + d;
      const end = min(p + 16, seen);
      for (let i = p; i < end; i++) {
        const w = v128.load32_splat(weights + (<usize>i << 2));
        s0 = madd(w, v128.load(v), s0);
        s1 = madd(w, v128.load(v, 16), s1);
        s2 = madd(w, v128.load(v, 32), s2);
        s3 = madd(w, v128.load(v, 48), s3);
        s4 = madd(w, v128.load(v, 64), s4);
        s5 = madd(w, v128.load(v, 80), s5);
        s6 = madd(w, v128.load(v, 96), s6);
        s7 = madd(w, v128.load(v, 112), s7);
        v += bytes;
      }
    }
    v128.store(s, s0);
    v128.store(s, s1, 16);
    v128.store(s, s2, 32);
    v128.store(s, s3, 48);
    v128.store(s, s4, 64);
    v128.store(s, s5, 80);
    v128.store(s, s6, 96);
    v128.store(s, s7, 112);
  }
  for (; d < bytes; d += 16) column(values, pageBytes, list, seen, bytes, weights, c, sums, d);
}

/** Four vectors of two rows at a time, then the rest one by one. */
export function weightedTwo(
  values: usize, pageBytes: usize, list: usize, seen: i32, bytes: usize, weights: usize, others: usize,
  correction: f32, other: f32, sums: usize, sums1: usize,
): void {
  const c = f32x4.splat(correction), e = f32x4.splat(other);
  let d: usize = 0;
  for (; d + 64 <= bytes; d += 64) {
    const s = sums + d, t = sums1 + d;
    let s0 = f32x4.mul(v128.load(s), c), s1 = f32x4.mul(v128.load(s, 16), c);
    let s2 = f32x4.mul(v128.load(s, 32), c), s3 = f32x4.mul(v128.load(s, 48), c);
    let t0 = f32x4.mul(v128.load(t), e), t1 = f32x4.mul(v128.load(t, 16), e);
    let t2 = f32x4.mul(v128.load(t, 32), e), t3 = f32x4.mul(v128.load(t, 48), e);
    for (let p = 0; p < seen; p += 16) {
      let v = cellOf(values, pageBytes, list, p, bytes) + d;
      const end = min(p + 16, seen);
      for (let i = p; i < end; i++) {
        const w = v128.load32_splat(weights + (<usize>i << 2)), u = v128.load32_splat(others + (<usize>i << 2));
        let value = v128.load(v);
        s0 = madd(w, value, s0);
        t0 = madd(u, value, t0);
        value = v128.load(v, 16);
        s1 = madd(w, value, s1);
        t1 = madd(u, value, t1);
        value = v128.load(v, 32);
        s2 = madd(w, value, s2);
        t2 = madd(u, value, t2);
        value = v128.load(v, 48);
        s3 = madd(w, value, s3);
        t3 = madd(u, value, t3);
        v += bytes;
      }
    }
    v128.store(s, s0);
    v128.store(s, s1, 16);
    v128.store(s, s2, 32);
    v128.store(s, s3, 48);
    v128.store(t, t0);
    v128.store(t, t1, 16);
    v128.store(t, t2, 32);
    v128.store(t, t3, 48);
  }
  for (; d < bytes; d += 16) {
    column(values, pageBytes, list, seen, bytes, weights, c, sums, d);
    column(values, pageBytes, list, seen, bytes, others, e, sums1, d);
  }
}

function column(
  values: usize, pageBytes: usize, list: usize, seen: i32, bytes: usize, weights: usize, c: v128, sums: usize, d: usize,
): void {
  let s = f32x4.mul(v128.load(sums + d), c);
  for (let p = 0; p < seen; p++) {
    const w = v128.load32_splat(weights + (<usize>p << 2));
    s = madd(w, v128.load(cellOf(values, pageBytes, list, p, bytes) + d), s);
  }
  v128.store(sums + d, s);
}
