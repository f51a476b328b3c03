// The linear layer's inner loops: 8 rows of weights, unpacked, against four tokens or one, a lane a row.
// Sums run on from what `y` holds (0 at the first columns), so that long rows may come in pieces; an output's bits depend on
// its row and its token alone.
import { dot, madd } from "./simd.cpu";

/** Bytes of an unpacked block: 8 floats d, 8 floats m, and planes [8 words][8 rows] of 4 bytes. */
@inline
export function blockBytes(planes: i32): i32 {
  return 64 + planes * 256;
}

/** Sums of rows 0 … 3 of a token. `rows`: those that `y` has. */
@inline
function loadLow(y: usize, rows: i32, begin: bool): v128 {
  if (begin) return f32x4.splat(0);
  if (rows >= 4) return v128.load(y);
  return loadSome(y, rows);
}

@inline
function loadHigh(y: usize, rows: i32, begin: bool): v128 {
  if (begin) return f32x4.splat(0);
  if (rows == 8) return v128.load(y, 16);
  return loadSome(y + 16, rows - 4);
}

function loadSome(y: usize, rows: i32): v128 {
  let v = f32x4.splat(0);
  if (rows > 0) v = f32x4.replace_lane(v, 0, load<f32>(y));
  if (rows > 1) v = f32x4.replace_lane(v, 1, load<f32>(y, 4));
  if (rows > 2) v = f32x4.replace_lane(v, 2, load<f32>(y, 8));
  if (rows > 3) v = f32x4.replace_lane(v, 3, load<f32>(y, 12));
  return v;
}

@inline
export function storeRows(y: usize, low: v128, high: v128, rows: i32): void {
  if (rows == 8) {
    v128.store(y, low);
    v128.store(y, high, 16);
  } else {
    storeSome(y, low, rows);
    storeSome(y + 16, high, rows - 4);
  }
}

function storeSome(y: usize, v: v128, rows: i32): void {
  if (rows > 0) store<f32>(y, f32x4.extract_lane(v, 0));
  if (rows > 1) store<f32>(y, f32x4.extract_lane(v, 1), 4);
  if (rows > 2) store<f32>(y, f32x4.extract_lane(v, 2), 8);
  if (rows > 3) store<f32>(y, f32x4.extract_lane(v, 3), 12);
}

/**
 * Integers: blocks of 32 columns. x0 … x3: int8 of four tokens; s0 … s3: their (scale, scale · sum); y0 … y3: their sums.
 * Inside a block all is exact; a plane is worth 16 times the next.
 */
export function tileIntegers(
  panel: usize, blocks: i32, planes: i32, x0: usize, x1: usize, x2: usize, x3: usize,
  s0: usize, s1: usize, s2: usize, s3: usize, y0: usize, y1: usize, y2: usize, y3: usize, rows: i32, begin: bool,
): void {
  let f0 = loadLow(y0, rows, begin), f1 = loadLow(y1, rows, begin), f2 = loadLow(y2, rows, begin), f3 = loadLow(y3, rows, begin);
  let g0 = loadHigh(y0, rows, begin), g1 = loadHigh(y1, rows, begin), g2 = loadHigh(y2, rows, begin), g3 = loadHigh(y3, rows, begin);
  for (let b = 0; b < blocks; b++) {
    const scales = panel;
    let a0 = i32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, c0 = a0, c1 = a0, c2 = a0, c3 = a0;
    for (let plane = 0;;) {
      let w = v128.load(panel, 64), u = v128.load(panel, 80), t = v128.load32_splat(x0, 0);
      a0 = dot(t, w, a0); c0 = dot(t, u, c0); t = v128.load32_splat(x1, 0);
      a1 = dot(t, w, a1); c1 = dot(t, u, c1); t = v128.load32_splat(x2, 0);
      a2 = dot(t, w, a2); c2 = dot(t, u, c2); t = v128.load32_splat(x3, 0);
      a3 = dot(t, w, a3); c3 = dot(t, u, c3);
      w = v128.load(panel, 96); u = v128.load(panel, 112); t = v128.load32_splat(x0, 4);
      a0 = dot(t, w, a0); c0 = dot(t, u, c0); t = v128.load32_splat(x1, 4);
      a1 = dot(t, w, a1); c1 = dot(t, u, c1); t = v128.load32_splat(x2, 4);
      a2 = dot(t, w, a2); c2 = dot(t, u, c2); t = v128.load32_splat(x3, 4);
      a3 = dot(t, w, a3); c3 = dot(t, u, c3);
      w = v128.load(panel, 128); u = v128.load(panel, 144); t = v128.load32_splat(x0, 8);
      a0 = dot(t, w, a0); c0 = dot(t, u, c0); t = v128.load32_splat(x1, 8);
      a1 = dot(t, w, a1); c1 = dot(t, u, c1); t = v128.load32_splat(x2, 8);
      a2 = dot(t, w, a2); c2 = dot(t, u, c2); t = v128.load32_splat(x3, 8);
      a3 = dot(t, w, a3); c3 = dot(t, u, c3);
      w = v128.load(panel, 160); u = v128.load(panel, 176); t = v128.load32_splat(x0, 12);
      a0 = dot(t, w, a0); c0 = dot(t, u, c0); t = v128.load32_splat(x1, 12);
      a1 = dot(t, w, a1); c1 = dot(t, u, c1); t = v128.load32_splat(x2, 12);
      a2 = dot(t, w, a2); c2 = dot(t, u, c2); t = v128.load32_splat(x3, 12);
      a3 = dot(t, w, a3); c3 = dot(t, u, c3);
      w = v128.load(panel, 192); u = v128.load(panel, 208); t = v128.load32_splat(x0, 16);
      a0 = dot(t, w, a0); c0 = dot(t, u, c0); t = v128.load32_splat(x1, 16);
      a1 = dot(t, w, a1); c1 = dot(t, u, c1); t = v128.load32_splat(x2, 16);
      a2 = dot(t, w, a2); c2 = dot(t, u, c2); t = v128.load32_splat(x3, 16);
      a3 = dot(t, w, a3); c3 = dot(t, u, c3);
      w = v128.load(panel, 224); u = v128.load(panel, 240); t = v128.load32_splat(x0, 20);
      a0 = dot(t, w, a0); c0 = dot(t, u, c0); t = v128.load32_splat(x1, 20);
      a1 = dot(t, w, a1); c1 = dot(t, u, c1); t = v128.load32_splat(x2, 20);
      a2 = dot(t, w, a2); c2 = dot(t, u, c2); t = v128.load32_splat(x3, 20);
      a3 = dot(t, w, a3); c3 = dot(t, u, c3);
      w = v128.load(panel, 256); u = v128.load(panel, 272); t = v128.load32_splat(x0, 24);
      a0 = dot(t, w, a0); c0 = dot(t, u, c0); t = v128.load32_splat(x1, 24);
      a1 = dot(t, w, a1); c1 = dot(t, u, c1); t = v128.load32_splat(x2, 24);
      a2 = dot(t, w, a2); c2 = dot(t, u, c2); t = v128.load32_splat(x3, 24);
      a3 = dot(t, w, a3); c3 = dot(t, u, c3);
      w = v128.load(panel, 288); u = v128.load(panel, 304); t = v128.load32_splat(x0, 28);
      a0 = dot(t, w, a0); c0 = dot(t, u, c0); t = v128.load32_splat(x1, 28);
      a1 = dot(t, w, a1); c1 = dot(t, u, c1); t = v128.load32_splat(x2, 28);
      a2 = dot(t, w, a2); c2 = dot(t, u, c2); t = v128.load32_splat(x3, 28);
      a3 = dot(t, w, a3); c3 = dot(t, u, c3);
      panel += 256;
      if (++plane == planes) break;
      a0 = i32x4.shl(a0, 4); a1 = i32x4.shl(a1, 4); a2 = i32x4.shl(a2, 4); a3 = i32x4.shl(a3, 4);
      c0 = i32x4.shl(c0, 4); c1 = i32x4.shl(c1, 4); c2 = i32x4.shl(c2, 4); c3 = i32x4.shl(c3, 4);
    }
    const d = v128.load(scales), e = v128.load(scales, 16), m = v128.load(scales, 32), n = v128.load(scales, 48);
    let s = v128.load32_splat(s0), z = v128.load32_splat(s0, 4);
    f0 = madd(f32x4.mul(d, s), f32x4.convert_i32x4_s(a0), madd(m, z, f0));
    g0 = madd(f32x4.mul(e, s), f32x4.convert_i32x4_s(c0), madd(n, z, g0));
    s = v128.load32_splat(s1); z = v128.load32_splat(s1, 4);
    f1 = madd(f32x4.mul(d, s), f32x4.convert_i32x4_s(a1), madd(m, z, f1));
    g1 = madd(f32x4.mul(e, s), f32x4.convert_i32x4_s(c1), madd(n, z, g1));
    s = v128.load32_splat(s2); z = v128.load32_splat(s2, 4);
    f2 = madd(f32x4.mul(d, s), f32x4.convert_i32x4_s(a2), madd(m, z, f2));
    g2 = madd(f32x4.mul(e, s), f32x4.convert_i32x4_s(c2), madd(n, z, g2));
    s = v128.load32_splat(s3); z = v128.load32_splat(s3, 4);
    f3 = madd(f32x4.mul(d, s), f32x4.convert_i32x4_s(a3), madd(m, z, f3));
    g3 = madd(f32x4.mul(e, s), f32x4.convert_i32x4_s(c3), madd(n, z, g3));
    panel += 64;
    x0 += 32; x1 += 32; x2 += 32; x3 += 32;
    s0 += 8; s1 += 8; s2 += 8; s3 += 8;
  }
  storeRows(y0, f0, g0, rows);
  storeRows(y1, f1, g1, rows);
  storeRows(y2, f2, g2, rows);
  storeRows(y3, f3, g3, rows);
}

/** Floats: panel [columns][8 rows], columns a multiple of 4; x0 … x3: the four tokens' floats. */
export function tileFloats(
  panel: usize, columns: i32, x0: usize, x1: usize, x2: usize, x3: usize,
  y0: usize, y1: usize, y2: usize, y3: usize, rows: i32, begin: bool,
): void {
  let f0 = loadLow(y0, rows, begin), f1 = loadLow(y1, rows, begin), f2 = loadLow(y2, rows, begin), f3 = loadLow(y3, rows, begin);
  let g0 = loadHigh(y0, rows, begin), g1 = loadHigh(y1, rows, begin), g2 = loadHigh(y2, rows, begin), g3 = loadHigh(y3, rows, begin);
  for (let k = 0; k < columns; k += 4) {
    let w = v128.load(panel, 0), u = v128.load(panel, 16), t = v128.load32_splat(x0, 0);
    f0 = madd(t, w, f0); g0 = madd(t, u, g0); t = v128.load32_splat(x1, 0);
    f1 = madd(t, w, f1); g1 = madd(t, u, g1); t = v128.load32_splat(x2, 0);
    f2 = madd(t, w, f2); g2 = madd(t, u, g2); t = v128.load32_splat(x3, 0);
    f3 = madd(t, w, f3); g3 = madd(t, u, g3);
    w = v128.load(panel, 32); u = v128.load(panel, 48); t = v128.load32_splat(x0, 4);
    f0 = madd(t, w, f0); g0 = madd(t, u, g0); t = v128.load32_splat(x1, 4);
    f1 = madd(t, w, f1); g1 = madd(t, u, g1); t = v128.load32_splat(x2, 4);
    f2 = madd(t, w, f2); g2 = madd(t, u, g2); t = v128.load32_splat(x3, 4);
    f3 = madd(t, w, f3); g3 = madd(t, u, g3);
    w = v128.load(panel, 64); u = v128.load(panel, 80); t = v128.load32_splat(x0, 8);
    f0 = madd(t, w, f0); g0 = madd(t, u, g0); t = v128.load32_splat(x1, 8);
    f1 = madd(t, w, f1); g1 = madd(t, u, g1); t = v128.load32_splat(x2, 8);
    f2 = madd(t, w, f2); g2 = madd(t, u, g2); t = v128.load32_splat(x3, 8);
    f3 = madd(t, w, f3); g3 = madd(t, u, g3);
    w = v128.load(panel, 96); u = v128.load(panel, 112); t = v128.load32_splat(x0, 12);
    f0 = madd(t, w, f0); g0 = madd(t, u, g0); t = v128.load32_splat(x1, 12);
    f1 = madd(t, w, f1); g1 = madd(t, u, g1); t = v128.load32_splat(x2, 12);
    f2 = madd(t, w, f2); g2 = madd(t, u, g2); t = v128.load32_splat(x3, 12);
    f3 = madd(t, w, f3); g3 = madd(t, u, g3);
    panel += 128;
    x0 += 16; x1 += 16; x2 += 16; x3 += 16;
  }
  storeRows(y0, f0, g0, rows);
  storeRows(y1, f1, g1, rows);
  storeRows(y2, f2, g2, rows);
  storeRows(y3, f3, g3, rows);
}

/** The same for one token. */
export function oneFloats(panel: usize, columns: i32, x: usize, y: usize, rows: i32, begin: bool): void {
  let f = loadLow(y, rows, begin), g = loadHigh(y, rows, begin);
  for (let k = 0; k < columns; k += 4) {
    let t = v128.load32_splat(x, 0);
    f = madd(t, v128.load(panel, 0), f); g = madd(t, v128.load(panel, 16), g); t = v128.load32_splat(x, 4);
    f = madd(t, v128.load(panel, 32), f); g = madd(t, v128.load(panel, 48), g); t = v128.load32_splat(x, 8);
    f = madd(t, v128.load(panel, 64), f); g = madd(t, v128.load(panel, 80), g); t = v128.load32_splat(x, 12);
    f = madd(t, v128.load(panel, 96), f); g = madd(t, v128.load(panel, 112), g);
    panel += 128;
    x += 16;
  }
  storeRows(y, f, g, rows);
}
