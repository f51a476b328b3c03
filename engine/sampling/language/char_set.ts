// Sets of Unicode characters as sorted ranges of code points. Surrogates are no characters: no set holds them.

/** Inclusive, disjoint, ascending, never touching. */
export type CharSet = readonly (readonly [from: number, to: number])[];

export const ALL: CharSet = [
  [0, 0xd7ff],
  [0xe000, 0x10ffff],
];

export function union(...sets: readonly CharSet[]): CharSet {
  const sorted = sets.flat().sort((a, b) => a[0] - b[0]);
  const joined: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = joined.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

export function intersect(a: CharSet, b: CharSet): CharSet {
  const shared: [number, number][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const from = Math.max(a[i][0], b[j][0]);
    const to = Math.min(a[i][1], b[j][1]);
    if (from <= to) shared.push([from, to]);
    if (a[i][1] < b[j][1]) i++;
    else j++;
  }
  return shared;
}

export function complement(set: CharSet): CharSet {
  const rest: [number, number][] = [];
  let next = 0;
  for (const [from, to] of set) {
    if (from > next) rest.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= 0x10ffff) rest.push([next, 0x10ffff]);
  return intersect(rest, ALL);
}

export function of(...ranges: readonly (readonly [number, number])[]): CharSet {
  return intersect(union(ranges), ALL);
}

export function single(point: number): CharSet {
  return of([point, point]);
}

const DIGIT = of([0x30, 0x39]);
const WORD = of([0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]);
const SPACE = of(
  ...([
    [0x09, 0x0d],
    [0x20, 0x20],
    [0xa0, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200a],
  ] as const),
  ...([
    [0x2028, 0x2029],
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ] as const),
);
const NEWLINES = of([0x0a, 0x0a], [0x0d, 0x0d], [0x2028, 0x2029]);

/** What `.` stands for. */
export const DOT = complement(NEWLINES);

/** \d \D \w \W \s \S, by their letter. */
export const ESCAPED: Readonly<Record<string, CharSet>> = {
  d: DIGIT,
  D: complement(DIGIT),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
};

const properties = new Map<string, CharSet>();

/**
 * \p{…} as the JavaScript engine has it, by asking it for every character once. `name`: what stands in the braces.
 * Undefined: there is no such property.
 */
export function property(name: string): CharSet | undefined {
  const known = properties.get(name);
  if (known !== undefined) return known;
  let pattern: RegExp;
  try {
    pattern = new RegExp(`^\\p{${name}}$`, "u");
  } catch {
    return undefined;
  }
  const ranges: [number, number][] = [];
  for (const [from, to] of ALL) {
    for (let point = from; point <= to; point++) {
      if (!pattern.test(String.fromCodePoint(point))) continue;
      const last = ranges.at(-1);
      if (last !== undefined && last[1] === point - 1) last[1] = point;
      else ranges.push([point, point]);
    }
  }
  properties.set(name, ranges);
  return ranges;
}
