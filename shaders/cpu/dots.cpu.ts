// Dot products of one or two vectors with four rows, or eight: what scores, routers and LoRA are made of.
// A product's bits are the same from each of these functions: four running sums over every fourth element, then (0 + 1) + (2 + 3).
import { acrossFour } from "./lanes.cpu";
import { madd } from "./simd.cpu";

/** Lane i: Σ_k x[k] · r_i[k]. `bytes`: of a row, a multiple of 16. */
@inline
export function dotsOne(x: usize, r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize): v128 {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  for (let k: usize = 0; k < bytes; k += 16) {
    const v = v128.load(x + k);
    a = madd(v, v128.load(r0 + k), a);
    b = madd(v, v128.load(r1 + k), b);
    c = madd(v, v128.load(r2 + k), c);
    d = madd(v, v128.load(r3 + k), d);
  }
  return acrossFour(a, b, c, d);
}

/** The same for two vectors, whose results are stored: four floats at `out`, and four at `out + 16`. */
@inline
export function dotsTwo(x: usize, x1: usize, r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize, out: usize): void {
  let a = f32x4.splat(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
  for (let k: usize = 0; k < bytes; k += 16) {
    const v = v128.load(x + k), u = v128.load(x1 + k);
    let r = v128.load(r0 + k);
    a = madd(v, r, a);
    e = madd(u, r, e);
    r = v128.load(r1 + k);
    b = madd(v, r, b);
    f = madd(u, r, f);
    r = v128.load(r2 + k);
    c = madd(v, r, c);
    g = madd(u, r, g);
    r = v128.load(r3 + k);
    d = madd(v, r, d);
    h = madd(u, r, h);
  }
  v128.store(out, acrossFour(a, b, c, d));
  v128.store(out, acrossFour(e, f, g, h), 16);
}

/** One vector and eight rows one behind another: enough sums at a time to wait for none. Eight floats at `out`. */
@inline
export function dotsEight(x: usize, rows: usize, bytes: usize, out: usize): void {
  let a = f32x4.splat(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
  for (let k: usize = 0; k < bytes; k += 16) {
    const v = v128.load(x + k);
    let r = rows + k;
    a = madd(v, v128.load(r), a);
    r += bytes;
    b = madd(v, v128.load(r), b);
    r += bytes;
    c = madd(v, v128.load(r), c);
    r += bytes;
    d = madd(v, v128.load(r), d);
    r += bytes;
    e = madd(v, v128.load(r), e);
    r += bytes;
    f = madd(v, v128.load(r), f);
    r += bytes;
    g = madd(v, v128.load(r), g);
    r += bytes;
    h = madd(v, v128.load(r), h);
  }
  v128.store(out, acrossFour(a, b, c, d));
  v128.store(out, acrossFour(e, f, g, h), 16);
}
