// The order in which narrow formats hold four rows of B: four columns of each of them by turns, so that a kernel's one load
// has what it adds up together.

/** Calls `each` for the elements of [4, count / 4]: where one is there, and where it lies in [count / 16][4 rows][4 columns]. */
export function eachOfFour(count: number, each: (index: number, place: number) => void): void {
  const columns = count / 4;
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < columns; column++) {
      each(row * columns + column, (column >> 2) * 16 + 4 * row + (column & 3));
    }
  }
}
