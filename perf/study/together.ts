// All measures of weights at once: the most that a linear rule of them foretells.

import type { SetRecord, WeightMeasures } from "./record.ts";
import { foretells, mean, type Rule, type Told } from "./statistics.ts";

export interface Outcome {
  set: SetRecord;
  lost: number;
}

/** Of standardised columns. */
const RIDGE = 1;

/**
 * Ridge regression of the lost share on the logarithms of all measures, fitted without the adapter that is judged;
 * failure is foretold where the fit is beyond `failing`.
 */
export function combined(outcomes: readonly Outcome[], failing: number): { told: Told[]; rule: Rule } {
  const rule: Rule = { threshold: failing, above: true };
  const names = [...new Set(outcomes.flatMap(({ set }) => set.members))];
  const told = names.flatMap((name) => {
    const predict = fitted(outcomes.filter(({ set }) => !set.members.includes(name)));
    return outcomes
      .filter(({ set }) => set.members.includes(name))
      .map(({ set, lost }) => ({
        members: set.members,
        failed: lost > failing,
        foretold: foretells(rule, predict(columns(set.measures))),
      }));
  });
  return { told, rule };
}

function columns(measures: WeightMeasures): number[] {
  const { cosine, ...positive } = measures;
  return [cosine, ...Object.values(positive).map((value) => Math.log(value + 1e-3))];
}

function fitted(outcomes: readonly Outcome[]): (x: readonly number[]) => number {
  const rows = outcomes.map(({ set }) => columns(set.measures));
  const centre = rows[0].map((_, c) => mean(rows.map((row) => row[c])));
  const spread = rows[0].map((_, c) => Math.sqrt(mean(rows.map((row) => (row[c] - centre[c]) ** 2))) || 1);
  const standard = (row: readonly number[]) => row.map((value, c) => (value - centre[c]) / spread[c]);
  const xs = rows.map(standard);
  const middle = mean(outcomes.map(({ lost }) => lost));
  const n = centre.length;
  const matrix = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => xs.reduce((sum, row) => sum + row[i] * row[j], i === j ? RIDGE : 0)),
  );
  const right = Array.from({ length: n }, (_, i) =>
    xs.reduce((sum, row, k) => sum + row[i] * (outcomes[k].lost - middle), 0),
  );
  const weights = solved(matrix, right);
  return (row) => middle + standard(row).reduce((sum, value, c) => sum + weights[c] * value, 0);
}

/** Gauss's elimination of a positive definite system. */
function solved(matrix: number[][], right: number[]): number[] {
  const n = right.length;
  for (let k = 0; k < n; k++) {
    for (let i = k + 1; i < n; i++) {
      const factor = matrix[i][k] / matrix[k][k];
      for (let j = k; j < n; j++) matrix[i][j] -= factor * matrix[k][j];
      right[i] -= factor * right[k];
    }
  }
  const found = new Array<number>(n).fill(0);
  for (let k = n - 1; k >= 0; k--) {
    const known = found.reduce((sum, value, j) => (j > k ? sum + matrix[k][j] * value : sum), 0);
    found[k] = (right[k] - known) / matrix[k][k];
  }
  return found;
}
