// What the singular values of one adapter's delta say: how many directions it really uses, and how unevenly.

export interface Spectrum {
  /** ‖Δ‖_F */
  norm: number;
  /** ‖Δ‖²_F / σ₁²: 1 where one direction has it all. 0 of a zero matrix. */
  stableRank: number;
  /** exp of the entropy of σ/Σσ (Roy & Vetterli 2007). 0 of a zero matrix. */
  effectiveRank: number;
  /** σ₁² / ‖Δ‖²_F: the share of the first direction. 0 of a zero matrix. */
  concentration: number;
}

/** `s`: singular values, descending. */
export function spectrumOf(s: ArrayLike<number>): Spectrum {
  const values = Array.from(s);
  const squares = values.reduce((sum, value) => sum + value * value, 0);
  if (squares === 0) return { norm: 0, stableRank: 0, effectiveRank: 0, concentration: 0 };
  const total = values.reduce((sum, value) => sum + value, 0);
  const entropy = values.reduce((sum, value) => sum - (value > 0 ? (value / total) * Math.log(value / total) : 0), 0);
  const first = values[0] ** 2;
  return {
    norm: Math.sqrt(squares),
    stableRank: squares / first,
    effectiveRank: Math.exp(entropy),
    concentration: first / squares,
  };
}
