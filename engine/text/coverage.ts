// Which characters a vocabulary of bytes has no tokens for: they leave no trace in the ids, so that a text's length alone
// does not say how many tokens it has at least.

/** First and last code point that UTF-8 writes with this leading byte, where it takes four bytes. */
const FOUR_BYTES: ReadonlyMap<number, [number, number]> = new Map([
  [0xf0, [0x10000, 0x3ffff]],
  [0xf1, [0x40000, 0x7ffff]],
  [0xf2, [0x80000, 0xbffff]],
  [0xf3, [0xc0000, 0xfffff]],
  [0xf4, [0x100000, 0x10ffff]],
]);

/**
 * What matches a character that may vanish. "none": no character can. "any": a byte of many characters is missing.
 * UTF-8 has no bytes C0, C1 and from F5 up.
 */
export function vanishing(missing: readonly number[]): RegExp | "none" | "any" {
  const needed = missing.filter((byte) => byte < 0xf5 && byte !== 0xc0 && byte !== 0xc1);
  if (needed.length === 0) return "none";
  if (needed.some((byte) => byte >= 0x80 && byte < 0xf0)) return "any";
  const ranges = needed.map((byte) => FOUR_BYTES.get(byte) ?? [byte, byte]);
  const hex = (code: number | undefined) => `\\u{${code?.toString(16)}}`;
  return new RegExp(`[${ranges.map(([from, to]) => `${hex(from)}-${hex(to)}`).join("")}]`, "gu");
}
