// Which adapters the study merges with each other: every pair, and a drawn sample of larger sets.

import { Random } from "../../composition/random.ts";

/** How many sets of a size are drawn. */
const DRAWN: readonly (readonly [size: number, count: number])[] = [
  [3, 14],
  [4, 10],
  [6, 4],
];

/** Of few names a set is drawn more than once, and taken once. */
export function setsOf(names: readonly string[]): string[][] {
  const pairs = names.flatMap((first, i) => names.slice(i + 1).map((second) => [first, second]));
  const larger = DRAWN.filter(([size]) => size <= names.length).flatMap(([size, count]) =>
    Array.from({ length: count }, (_, n) => drawn(names, size, new Random(0x5e7, size, n))),
  );
  const sorted = (set: readonly string[]) => [...set].sort().join();
  return [...new Map([...pairs, ...larger].map((set) => [sorted(set), set])).values()];
}

function drawn(names: readonly string[], size: number, random: Random): string[] {
  const left = [...names];
  return Array.from({ length: size }, () => left.splice(random.integer(0, left.length - 1), 1)[0]);
}
