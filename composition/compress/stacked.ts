// Many low-rank matrices of one shape with their factors behind each other: what is asked of all of them is one product each.

import { Resident } from "../kernels/products.ts";
import type { Factored } from "../linear/factored.ts";
import { joinColumns, joinRows, type Matrix, rowsOf, transpose } from "../linear/matrix.ts";

/** Matrices [out, in] of rank rᵢ; thin matrices have at most `width` columns. */
export class Stacked {
  /** First of the rows that belong to each matrix, and behind the last. */
  readonly #starts: number[] = [0];
  /** [Σr, in] and [Σr, out] */
  readonly #a: Resident;
  readonly #b: Resident;

  constructor(deltas: readonly Factored[], width: number) {
    for (const { a } of deltas) this.#starts.push(this.#starts.at(-1)! + a.rows);
    this.#a = new Resident(joinRows(deltas.map(({ a }) => a)), width);
    this.#b = new Resident(transpose(joinColumns(deltas.map(({ b }) => b))), width);
  }

  /** AᵢX, [rᵢ, n] each, with X [in, n] */
  fromRight(x: Matrix): Matrix[] {
    return this.#parts(this.#a, x);
  }

  /** BᵢᵀX, [rᵢ, n] each, with X [out, n] */
  fromLeft(x: Matrix): Matrix[] {
    return this.#parts(this.#b, x);
  }

  /** Σ BᵢYᵢ, [out, n] */
  toLeft(parts: readonly Matrix[]): Matrix {
    return sum(this.#b, parts);
  }

  /** Σ AᵢᵀYᵢ, [in, n] */
  toRight(parts: readonly Matrix[]): Matrix {
    return sum(this.#a, parts);
  }

  close(): void {
    this.#a.close();
    this.#b.close();
  }

  #parts(factors: Resident, x: Matrix): Matrix[] {
    const all: Matrix = { rows: factors.rows, cols: x.cols, data: factors.times(x.data, x.cols) };
    return this.#starts.slice(1).map((end, i) => rowsOf(all, this.#starts[i], end));
  }
}

function sum(factors: Resident, parts: readonly Matrix[]): Matrix {
  const { data, cols } = joinRows(parts);
  return transpose({ rows: cols, cols: factors.cols, data: factors.timesFromLeft(data, cols) });
}
