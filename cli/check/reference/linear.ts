// A linear layer and a LoRA shrink in float64 loops.
// It imports nothing from the engine.

/** y[t, r] = Σ_k w[r, k]·x[t, k], and Σ_k |w[r, k]·x[t, k]|, against which rounding errors are measured. */
export function linearReference(
  w: ArrayLike<number>,
  x: ArrayLike<number>,
  rows: number,
  cols: number,
  tokens: number,
): { y: Float64Array; magnitude: Float64Array } {
  const y = new Float64Array(tokens * rows);
  const magnitude = new Float64Array(tokens * rows);
  for (let t = 0; t < tokens; t++) {
    for (let r = 0; r < rows; r++) {
      for (let k = 0; k < cols; k++) {
        const term = w[r * cols + k] * x[t * cols + k];
        y[t * rows + r] += term;
        magnitude[t * rows + r] += Math.abs(term);
      }
    }
  }
  return { y, magnitude };
}

/** Σ_k w[r, k]² of every row. */
export function rowSquaresReference(w: ArrayLike<number>, rows: number, cols: number): Float64Array {
  const squares = new Float64Array(rows);
  for (let i = 0; i < rows * cols; i++) squares[Math.floor(i / cols)] += w[i] * w[i];
  return squares;
}

/** Numbers in any of the forms tests hold them in. */
export type Numbers = ArrayLike<number> & Iterable<number>;

/** y[t] = W · x[t]. x: [T, in]; weight: [out, in], row-major. Returns [T, out]. */
export function linear(x: Numbers, weight: Numbers, tokens: number, inp: number, out: number): Float64Array {
  return linearReference(weight, x, out, inp, tokens).y;
}

/** int8 blocks of 32 to the numbers they stand for. `pairs`: (scale, scale · sum) of each block. */
export function int8BlocksReference(quants: Int8Array, pairs: Float32Array): Float64Array {
  return Float64Array.from(quants, (q, i) => q * pairs[2 * Math.floor(i / 32)]);
}
