// The order in which four rows of B lie: column by column, so that what a kernel adds to four outputs at once is one load, and
// no sum goes across a vector.

/** Calls `each` for the elements of [4, count / 4]: where one is there, and where it lies in [count / 4 columns][4 rows]. */
export function eachOfFour(count: number, each: (index: number, place: number) => void): void {
  const columns = count / 4;
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < columns; column++) {
      each(row * columns + column, 4 * column + row);
    }
  }
}
