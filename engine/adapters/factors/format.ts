// How the factors of a module lie in an adapter's run: a file here a dtype, each the twin of a text of shaders/lora/, "factors" and the dtype.
// Places are counted in vec4s (16 bytes), columns in fours.

/** An adapter's run of one layer: its words, floats or not. */
export type Run = Float32Array<ArrayBuffer>;

export interface FactorFormat {
  /** vec4s of a row of A. */
  strideA(cols4: number): number;
  /** vec4s of four rows of B. */
  strideB(rank4: number): number;
  /** A row of A, of whole fours. */
  putA(run: Run, at: number, row: Float32Array): void;
  getA(run: Run, at: number, row: Float32Array): void;
  /** Four rows of B, [4, 4 · rank4], columns beyond the rank 0. */
  putB(run: Run, at: number, rows: Float32Array): void;
  getB(run: Run, at: number, rows: Float32Array): void;
}
