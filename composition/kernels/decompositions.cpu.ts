// Decompositions in float64, two numbers at a time: thin QR, and a symmetric matrix's way to its eigenvalues by a tridiagonal one
// (AssemblyScript, of one module with float64.cpu.ts). Pointers are byte offsets; nothing here allocates.

/**
 * Thin QR of a matrix that lies column by column, with k = min(rows, cols): R's upper triangle takes the place of the columns' first
 * numbers; column j of Q lies at q + j·rows. `v` has room for k·rows numbers. Source: Golub & Van Loan, Matrix Computations, 5.2.
 */
export function householder_qr(columns: usize, rows: i32, cols: i32, v: usize, q: usize): void {
  const stride = <usize>rows << 3;
  const k = min(rows, cols);
  for (let j = 0; j < k; j++) {
    const at = <usize>j << 3, count = rows - j;
    const mirror = v + <usize>j * stride + at;
    memory.copy(mirror, columns + <usize>j * stride + at, <usize>count << 3);
    if (!toMirror(mirror, count)) continue;
    for (let c = j; c < cols; c++) reflect(columns + <usize>c * stride + at, mirror, count);
  }
  memory.fill(q, 0, <usize>k * stride);
  for (let j = 0; j < k; j++) {
    const column = q + <usize>j * stride;
    store<f64>(column + (<usize>j << 3), 1);
    for (let i = j; i >= 0; i--) {
      const at = <usize>i << 3;
      reflect(column + at, v + <usize>i * stride + at, rows - i);
    }
  }
}

/** x becomes the unit v with I − 2·v·vᵀ mapping x onto ±‖x‖·e₁; whether there is something to map. */
function toMirror(x: usize, count: i32): bool {
  const length = Math.sqrt(dot(x, x, count));
  if (length === 0) return false;
  // Away from zero: no cancellation.
  const first = load<f64>(x);
  store<f64>(x, first + (first < 0 ? -length : length));
  const scale = 1 / Math.sqrt(dot(x, x, count));
  for (let i = 0; i < count; i++) store<f64>(x + (<usize>i << 3), load<f64>(x + (<usize>i << 3)) * scale);
  return true;
}

/** x −= 2·v·(v·x) */
@inline
function reflect(x: usize, v: usize, count: i32): void {
  add(x, v, -2 * dot(x, v, count), count);
}

/**
 * A symmetric matrix [n, n], whole, becomes Q·T·Qᵀ with T tridiagonal. Row k of `v`, from k + 1 on, is the reflection of step k.
 * `p` has room for n numbers. beside[i] stands between i and i + 1. Source: Golub & Van Loan, 8.3.
 */
export function tridiagonal(a: usize, n: i32, v: usize, p: usize, diagonal: usize, beside: usize): void {
  const row = <usize>n << 3;
  for (let k = 0; k < n; k++) {
    const at = <usize>(k + 1) << 3, count = n - k - 1;
    const mirror = v + <usize>k * row + at;
    store<f64>(diagonal + (<usize>k << 3), load<f64>(a + <usize>k * row + (<usize>k << 3)));
    store<f64>(beside + (<usize>k << 3), 0);
    if (count === 0) continue;
    memory.copy(mirror, a + <usize>k * row + at, <usize>count << 3);
    const next = load<f64>(mirror);
    const length = Math.sqrt(dot(mirror, mirror, count));
    if (count === 1 || !toMirror(mirror, count)) {
      memory.fill(mirror, 0, <usize>count << 3);
      store<f64>(beside + (<usize>k << 3), count === 1 ? next : 0);
      continue;
    }
    store<f64>(beside + (<usize>k << 3), next < 0 ? length : -length);
    // A −= 2·(v·wᵀ + w·vᵀ) with w = A·v − (vᵀAv)·v
    let both: f64 = 0;
    for (let i = k + 1; i < n; i++) {
      const sum = dot(a + <usize>i * row + at, mirror, count);
      store<f64>(p + (<usize>i << 3), sum);
      both += sum * load<f64>(v + <usize>k * row + (<usize>i << 3));
    }
    add(p + at, mirror, -both, count);
    for (let i = k + 1; i < n; i++) {
      const here = a + <usize>i * row + at;
      const left = -2 * load<f64>(v + <usize>k * row + (<usize>i << 3)), right = -2 * load<f64>(p + (<usize>i << 3));
      add(here, p + at, left, count);
      add(here, mirror, right, count);
    }
  }
}

/** The product of the reflections that `tridiagonal` left, Qᵀ [n, n]: its rows are Q's columns. */
export function turns(v: usize, n: i32, q: usize): void {
  const row = <usize>n << 3;
  memory.fill(q, 0, <usize>n * row);
  for (let i = 0; i < n; i++) store<f64>(q + <usize>i * row + (<usize>i << 3), 1);
  for (let k = n - 2; k >= 0; k--) {
    const at = <usize>(k + 1) << 3, count = n - k - 1;
    const mirror = v + <usize>k * row + at;
    for (let i = k + 1; i < n; i++) reflect(q + <usize>i * row + at, mirror, count);
  }
}

const MOST_ROUNDS = 60;

/**
 * Implicit QL with Wilkinson's shift: `diagonal` becomes the eigenvalues of the tridiagonal matrix, `rows` [n, width] are turned along.
 * What stands beside the diagonal and is no more than `least` is rounding, which need not converge. False where it does not.
 */
export function ql(diagonal: usize, beside: usize, n: i32, rows: usize, width: i32, least: f64): bool {
  for (let low = 0; low < n; low++) {
    for (let round = 0; ; round++) {
      let split = low;
      for (; split < n - 1; split++) {
        const size = Math.abs(at(diagonal, split)) + Math.abs(at(diagonal, split + 1));
        if (Math.abs(at(beside, split)) <= Math.max(f64.EPSILON * size, least)) break;
      }
      if (split === low) break;
      if (round === MOST_ROUNDS) return false;
      chase(diagonal, beside, rows, low, split, width);
    }
  }
  return true;
}

/** One sweep over [low, high]. */
function chase(diagonal: usize, beside: usize, rows: usize, low: i32, high: i32, width: i32): void {
  const half = (at(diagonal, low + 1) - at(diagonal, low)) / (2 * at(beside, low));
  const root = Math.hypot(half, 1);
  let g = at(diagonal, high) - at(diagonal, low) + at(beside, low) / (half + (half < 0 ? -root : root));
  let sine: f64 = 1, cosine: f64 = 1, p: f64 = 0;
  for (let i = high - 1; i >= low; i--) {
    const f = sine * at(beside, i);
    const b = cosine * at(beside, i);
    const r = Math.hypot(f, g);
    set(beside, i + 1, r);
    if (r === 0) {
      set(diagonal, i + 1, at(diagonal, i + 1) - p);
      set(beside, high, 0);
      return;
    }
    sine = f / r;
    cosine = g / r;
    g = at(diagonal, i + 1) - p;
    const t = (at(diagonal, i) - g) * sine + 2 * cosine * b;
    p = sine * t;
    set(diagonal, i + 1, g + p);
    g = cosine * t - b;
    turn(rows + (<usize>i * width << 3), rows + (<usize>(i + 1) * width << 3), cosine, sine, width);
  }
  set(diagonal, low, at(diagonal, low) - p);
  set(beside, low, g);
  set(beside, high, 0);
}

/** Two rows against each other: x becomes cosine·x − sine·y, y becomes sine·x + cosine·y. */
@inline
function turn(x: usize, y: usize, cosine: f64, sine: f64, count: i32): void {
  const c = f64x2.splat(cosine), s = f64x2.splat(sine);
  const end = <usize>(count & ~1) << 3;
  for (let i: usize = 0; i < end; i += 16) {
    const left = v128.load(x + i), right = v128.load(y + i);
    v128.store(x + i, f64x2.sub(f64x2.mul(c, left), f64x2.mul(s, right)));
    v128.store(y + i, f64x2.add(f64x2.mul(s, left), f64x2.mul(c, right)));
  }
  if (count & 1) {
    const left = load<f64>(x + end), right = load<f64>(y + end);
    store<f64>(x + end, cosine * left - sine * right);
    store<f64>(y + end, sine * left + cosine * right);
  }
}

@inline
function at(x: usize, i: i32): f64 {
  return load<f64>(x + (<usize>i << 3));
}

@inline
function set(x: usize, i: i32, value: f64): void {
  store<f64>(x + (<usize>i << 3), value);
}

@inline
function dot(x: usize, y: usize, count: i32): f64 {
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0);
  const end = <usize>(count & ~3) << 3;
  let i: usize = 0;
  for (; i < end; i += 32) {
    s0 = f64x2.add(s0, f64x2.mul(v128.load(x + i), v128.load(y + i)));
    s1 = f64x2.add(s1, f64x2.mul(v128.load(x + i, 16), v128.load(y + i, 16)));
  }
  s0 = f64x2.add(s0, s1);
  let sum = f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1);
  for (const all = <usize>count << 3; i < all; i += 8) sum += load<f64>(x + i) * load<f64>(y + i);
  return sum;
}

/** x += factor · y */
@inline
function add(x: usize, y: usize, factor: f64, count: i32): void {
  const factors = f64x2.splat(factor);
  const end = <usize>(count & ~1) << 3;
  for (let i: usize = 0; i < end; i += 16) {
    v128.store(x + i, f64x2.add(v128.load(x + i), f64x2.mul(v128.load(y + i), factors)));
  }
  if (count & 1) store<f64>(x + end, load<f64>(x + end) + factor * load<f64>(y + end));
}
