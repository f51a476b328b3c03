// The inner loops of merging in float64, two numbers at a time (AssemblyScript; setup/embed_float64.mjs compiles it into
// float64_wasm.ts). Pointers are byte offsets; nothing here allocates. Sums are in the order of k and of tasks.

/**
 * C[m, n] = A·B, or C += A·B where not `fresh`. A's element (i, l) lies at a + i·am + l·ak; rows of B and C have n numbers,
 * a multiple of four.
 */
export function product(a: usize, am: usize, ak: usize, b: usize, c: usize, m: i32, n: i32, k: i32, fresh: bool): void {
  const row = <usize>n << 3;
  let i = 0;
  for (; i + 4 <= m; i += 4) {
    for (let j: usize = 0; j < row; j += 32) {
      let p = a + <usize>i * am, q = b + j, o = c + <usize>i * row + j;
      const zero = f64x2.splat(0);
      let s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero, s30 = zero, s31 = zero;
      for (let l = 0; l < k; l++) {
        const b0 = v128.load(q), b1 = v128.load(q, 16);
        let x = v128.load64_splat(p);
        s00 = f64x2.add(s00, f64x2.mul(x, b0));
        s01 = f64x2.add(s01, f64x2.mul(x, b1));
        x = v128.load64_splat(p + am);
        s10 = f64x2.add(s10, f64x2.mul(x, b0));
        s11 = f64x2.add(s11, f64x2.mul(x, b1));
        x = v128.load64_splat(p + 2 * am);
        s20 = f64x2.add(s20, f64x2.mul(x, b0));
        s21 = f64x2.add(s21, f64x2.mul(x, b1));
        x = v128.load64_splat(p + 3 * am);
        s30 = f64x2.add(s30, f64x2.mul(x, b0));
        s31 = f64x2.add(s31, f64x2.mul(x, b1));
        p += ak;
        q += row;
      }
      put(o, s00, s01, fresh);
      put(o + row, s10, s11, fresh);
      put(o + 2 * row, s20, s21, fresh);
      put(o + 3 * row, s30, s31, fresh);
    }
  }
  for (; i < m; i++) {
    for (let j: usize = 0; j < row; j += 32) {
      let p = a + <usize>i * am, q = b + j;
      let s0 = f64x2.splat(0), s1 = f64x2.splat(0);
      for (let l = 0; l < k; l++) {
        const x = v128.load64_splat(p);
        s0 = f64x2.add(s0, f64x2.mul(x, v128.load(q)));
        s1 = f64x2.add(s1, f64x2.mul(x, v128.load(q, 16)));
        p += ak;
        q += row;
      }
      put(c + <usize>i * row + j, s0, s1, fresh);
    }
  }
}

@inline
function put(o: usize, s0: v128, s1: v128, fresh: bool): void {
  v128.store(o, fresh ? s0 : f64x2.add(v128.load(o), s0));
  v128.store(o, fresh ? s1 : f64x2.add(v128.load(o, 16), s1), 16);
}

/** Counts each of n magnitudes in the bin of its exponent and first four bits of mantissa: counts[32768], u32. */
export function count_magnitudes(x: usize, n: i32, counts: usize): void {
  for (let i = 0; i < n; i++) {
    const at = counts + <usize>((load<u32>(x + (<usize>i << 3), 4) & 0x7fffffff) >>> 16 << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
}

/** The bin that holds the k-th largest, k from 1; writes at `above`, as u32, how many are in larger ones. */
export function bin_of(counts: usize, k: u32, above: usize): i32 {
  let seen: u32 = 0;
  for (let bin = 32767; bin > 0; bin--) {
    const count = load<u32>(counts + (<usize>bin << 2));
    if (seen + count >= k) {
      store<u32>(above, seen);
      return bin;
    }
    seen += count;
  }
  store<u32>(above, seen);
  return 0;
}

/** Writes the magnitudes of one bin behind each other; how many. */
export function magnitudes_of(x: usize, n: i32, bin: u32, out: usize): i32 {
  let to = out;
  for (let i = 0; i < n; i++) {
    const at = x + (<usize>i << 3);
    if ((load<u32>(at, 4) & 0x7fffffff) >>> 16 !== bin) continue;
    store<f64>(to, Math.abs(load<f64>(at)));
    to += 8;
  }
  return <i32>((to - out) >> 3);
}

/** What is said of each task: limit, before, after, share, float64 each. */
const FACTS: usize = 32;

/**
 * out[i] = factor · Σ after·v / Σ share over tasks, with v = before · value where |value| ≥ limit, else 0. With `elect` only
 * v of the elected sign count, in both sums: that of Σ v (1) or of most v (2), a draw being positive. Without `divide` the
 * second sum is left out, as it is where it is nearly zero. Tasks lie `stride` bytes apart; n is even.
 */
export function combine(
  tasks: usize, stride: usize, count: i32, n: i32, facts: usize, elect: i32, divide: bool, factor: f64, out: usize,
): void {
  const zero = f64x2.splat(0), one = f64x2.splat(1), minus = f64x2.splat(-1), factors = f64x2.splat(factor);
  const least = f64x2.splat(1e-8);
  const end = <usize>n << 3;
  for (let i: usize = 0; i < end; i += 16) {
    let votes = zero;
    if (elect) {
      for (let t = 0; t < count; t++) {
        const v = valueOf(tasks + <usize>t * stride + i, facts + <usize>t * FACTS);
        const vote = v128.or(v128.and(f64x2.gt(v, zero), one), v128.and(f64x2.lt(v, zero), minus));
        votes = f64x2.add(votes, elect === 1 ? v : vote);
      }
    }
    // −v has the elected sign of a negative election where v is below zero.
    const flip = v128.andnot(f64x2.splat(-0.0), f64x2.ge(votes, zero));
    let sum = zero, divisor = zero;
    for (let t = 0; t < count; t++) {
      const fact = facts + <usize>t * FACTS;
      const v = valueOf(tasks + <usize>t * stride + i, fact);
      const term = f64x2.mul(v, v128.load64_splat(fact, 16));
      const counts = elect ? f64x2.gt(v128.xor(v, flip), zero) : f64x2.eq(zero, zero);
      sum = f64x2.add(sum, v128.and(term, counts));
      divisor = f64x2.add(divisor, v128.and(v128.load64_splat(fact, 24), counts));
    }
    const divisible = v128.and(f64x2.ge(f64x2.abs(divisor), least), f64x2.splat(reinterpret<f64>(divide ? <i64>-1 : <i64>0)));
    sum = f64x2.div(sum, v128.bitselect(divisor, one, divisible));
    v128.store(out + i, f64x2.mul(sum, factors));
  }
}

@inline
function valueOf(at: usize, fact: usize): v128 {
  const value = v128.load(at);
  const kept = f64x2.ge(f64x2.abs(value), v128.load64_splat(fact));
  return f64x2.mul(v128.and(value, kept), v128.load64_splat(fact, 8));
}
