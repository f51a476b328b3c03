// An orthonormal basis that grows by blocks, and a matrix as it looks from there.

import { GrowingRows } from "../kernels/growing_rows.ts";
import { Random } from "../random.ts";
import { type Matrix, norm, transpose, zeros } from "./matrix.ts";
import { qr } from "./qr.ts";

/** What is left of a block, as a part of its longest column, and is rounding. */
const ROUNDING = 1e-8;
/** A column of unit length that keeps less than this was not yet orthogonal to the basis. */
const SHRUNK = 0.5;
const MOST_PASSES = 8;

export class GrowingBasis {
  /** Uᵀ, a row for each of the basis, and what it sees, Uᵀ·X. */
  readonly #rows: GrowingRows;
  readonly #seen: GrowingRows;
  readonly #random = new Random(0xba5);
  /** The lower triangle of UᵀX·XᵀU, [size, size]. */
  gram: Matrix = zeros(0, 0);

  /** @param width of the widest block */
  constructor({ rows, cols }: { rows: number; cols: number }, width: number) {
    this.#rows = new GrowingRows(rows, width);
    this.#seen = new GrowingRows(cols, width);
  }

  /**
   * The block's columns made orthonormal to each other and to all before. `spent`: some had nothing new to tell, and
   * arbitrary ones stand in their place.
   */
  add(block: Matrix): { left: Matrix; spent: boolean } {
    let out = block;
    let spent = false;
    for (let pass = 1; ; pass++) {
      const least = pass === 1 ? ROUNDING * longestColumn(out) : SHRUNK;
      const { q, r } = qr(this.#rest(out));
      out = q;
      const short = Array.from({ length: q.cols }, (_, k) => k).filter(
        (k) => !(Math.abs(r.data[k * (r.cols + 1)]) > least),
      );
      if (pass === 1) spent = short.length > 0;
      // Twice is enough for what keeps its length (Kahan, in Parlett).
      if ((pass > 1 && short.length === 0) || pass === MOST_PASSES) break;
      // Of rounding alone nothing is known, not even that it is new: what is drawn in its place is.
      for (const k of short) this.#draw(out, k);
    }
    this.#rows.append(transpose(out).data);
    return { left: out, spent };
  }

  /** @param rows of Uᵀ·X, for the block that was added last */
  see(rows: Matrix): void {
    this.#seen.append(rows.data);
    const beside = transpose({
      rows: this.#seen.size,
      cols: rows.rows,
      data: this.#seen.times(transpose(rows).data, rows.rows),
    });
    const [size, old] = [this.#seen.size, this.gram.rows];
    const gram = zeros(size, size);
    for (let i = 0; i < old; i++) gram.data.set(this.gram.data.subarray(i * old, (i + 1) * old), i * size);
    gram.data.set(beside.data, old * size);
    this.gram = gram;
  }

  /** Uᵀ·X, [size, columns of X] */
  get seen(): Matrix {
    return { rows: this.#seen.size, cols: this.#seen.cols, data: this.#seen.all() };
  }

  /** Uᵀ, [size, rows of X] */
  get rows(): Matrix {
    return { rows: this.#rows.size, cols: this.#rows.cols, data: this.#rows.all() };
  }

  close(): void {
    this.#rows.close();
    this.#seen.close();
  }

  /** A column of unit length. */
  #draw({ rows, cols, data }: Matrix, column: number): void {
    const drawn = Float64Array.from({ length: rows }, () => 2 * this.#random.next() - 1);
    const length = norm(drawn);
    for (let i = 0; i < rows; i++) data[i * cols + column] = drawn[i] / length;
  }

  /** X − U·(Uᵀ·X) */
  #rest(x: Matrix): Matrix {
    if (this.#rows.size === 0) return x;
    const { rows, cols } = x;
    const shadow = this.#rows.timesFromLeft(this.#rows.times(x.data, cols), cols);
    const data = x.data.slice();
    for (let i = 0; i < rows; i++) for (let c = 0; c < cols; c++) data[i * cols + c] -= shadow[c * rows + i];
    return { ...x, data };
  }
}

function longestColumn({ rows, cols, data }: Matrix): number {
  const squares = new Float64Array(cols);
  for (let i = 0; i < rows; i++) for (let c = 0; c < cols; c++) squares[c] += data[i * cols + c] ** 2;
  return Math.sqrt(Math.max(...squares));
}
