// The top eigenvector of a symmetric positive semidefinite matrix that is only given as a product with vectors.

/** Steps beyond which even a matrix of higher rank has its top pair settled to float32. */
const MAX_STEPS = 160;
/** A remainder this small against the eigenvalue is rounding. */
const SETTLED = 1e-13;
/** Steps between two checks of what has been reached. */
const LOOK = 4;

/**
 * Unit eigenvector of the largest eigenvalue of M [size, size], undefined where M is zero. `rank` bounds M's rank: after
 * so many steps of Lanczos' method with full reorthogonalisation the answer is exact but for rounding, however close
 * the eigenvalues. Deterministic. Source: Golub & Van Loan, Matrix Computations, 10.1 and 8.4.
 */
export function topEigenvector(
  apply: (v: Float64Array) => Float64Array,
  size: number,
  rank: number,
): Float64Array | undefined {
  // One product first: the start lies in M's range, so the Krylov space has no more than `rank` dimensions.
  const start = apply(pseudoRandom(size));
  if (!(norm(start) > 0)) return undefined;
  const basis = [scaled(start, 1 / norm(start))];
  const diagonal: number[] = [];
  const beside: number[] = [];
  for (let step = 0; ; step++) {
    const next = apply(basis[step]);
    diagonal.push(dot(next, basis[step]));
    // Twice is enough (Kahan, in Parlett): once leaves the rounding of large components behind.
    for (let pass = 0; pass < 2; pass++) for (const v of basis) addScaled(next, v, -dot(next, v));
    const remainder = norm(next);
    // The Ritz vector's residual is the remainder times its last weight; the Krylov space is whole where that is nothing.
    const last = basis.length >= Math.min(rank, MAX_STEPS) || remainder <= SETTLED * Math.max(...diagonal);
    if (last || basis.length % LOOK === 0) {
      const weights = topOfTridiagonal(diagonal, beside);
      if (last || remainder * weights[step] <= SETTLED * Math.max(...diagonal)) return combine(basis, weights);
    }
    beside.push(remainder);
    basis.push(scaled(next, 1 / remainder));
  }
}

function combine(basis: Float64Array[], weights: Float64Array): Float64Array {
  const vector = new Float64Array(basis[0].length);
  for (const [i, v] of basis.entries()) addScaled(vector, v, weights[i]);
  return scaled(vector, 1 / norm(vector));
}

/**
 * Top eigenvector of a tridiagonal matrix whose off-diagonals are positive: bisection to just above its largest
 * eigenvalue, then inverse iteration. σI − T is positive definite there, so elimination needs no pivoting; by Perron
 * and Frobenius the vector sought is positive, so that a start of ones is never orthogonal to it.
 */
function topOfTridiagonal(diagonal: number[], beside: number[]): Float64Array {
  const n = diagonal.length;
  const bounds = diagonal.map((d, i) => d + (beside[i - 1] ?? 0) + (beside[i] ?? 0));
  let below = Math.max(...diagonal);
  let above = Math.max(...bounds) * (1 + 1e-12);
  let pivot = pivots(diagonal, beside, above)!;
  for (let i = 0; i < 100 && above - below > 4e-16 * above; i++) {
    const middle = (below + above) / 2;
    const found = pivots(diagonal, beside, middle);
    if (found === undefined) below = middle;
    else [above, pivot] = [middle, found];
  }
  let x = new Float64Array(n).fill(1);
  for (let i = 0; i < 4; i++) {
    for (let k = 1; k < n; k++) x[k] += (beside[k - 1] / pivot[k - 1]) * x[k - 1];
    x[n - 1] /= pivot[n - 1];
    for (let k = n - 2; k >= 0; k--) x[k] = (x[k] + beside[k] * x[k + 1]) / pivot[k];
    x = scaled(x, 1 / norm(x));
  }
  return x;
}

/** Pivots of σI − T, or undefined where one is not positive: then some eigenvalue of T is at or above σ. */
function pivots(diagonal: number[], beside: number[], sigma: number): number[] | undefined {
  const out: number[] = [];
  for (let k = 0; k < diagonal.length; k++) {
    const pivot = sigma - diagonal[k] - (k === 0 ? 0 : beside[k - 1] ** 2 / out[k - 1]);
    if (!(pivot > 0)) return undefined;
    out.push(pivot);
  }
  return out;
}

/** A fixed vector with no structure an adapter could be orthogonal to (a linear congruential generator). */
function pseudoRandom(size: number): Float64Array {
  let state = 1;
  return Float64Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function norm(a: Float64Array): number {
  return Math.sqrt(dot(a, a));
}

function scaled(a: Float64Array, factor: number): Float64Array<ArrayBuffer> {
  return a.map((x) => x * factor);
}

function addScaled(a: Float64Array, b: Float64Array, factor: number): void {
  for (let i = 0; i < a.length; i++) a[i] += factor * b[i];
}
