// Numbers as the decimals that spell them, exactly as JavaScript prints them but without exponents.

export interface Decimal {
  negative: boolean;
  /** Digits before the point, "0" or without leading zeros. */
  whole: string;
  /** Digits after it, without trailing zeros. */
  fraction: string;
}

/** The shortest decimal that reads back as this finite number. */
export function decimalOf(value: number): Decimal {
  const [mantissa, exponent = "0"] = Math.abs(value).toString().split("e");
  const [before, after = ""] = mantissa.split(".");
  const digits = before + after;
  const point = before.length + Number(exponent);
  const padded = point <= 0 ? "0".repeat(1 - point) + digits : digits.padEnd(point, "0");
  const at = Math.max(point, 1);
  return {
    negative: value < 0,
    whole: padded.slice(0, at).replace(/^0+(?=\d)/, ""),
    fraction: padded.slice(at).replace(/0+$/, ""),
  };
}

/** Digits from the first that is not 0 to the last. */
export function significantDigits({ whole, fraction }: Decimal): number {
  return (whole + fraction).replace(/^0+/, "").length;
}

/** `value` as an integer over a power of ten: 0.05 is 5 and 2. */
export function scaled(value: number): { units: number; places: number } {
  const { whole, fraction } = decimalOf(value);
  return { units: Number(whole + fraction), places: fraction.length };
}

/** The nearest number above (1) or below (-1). */
export function neighbour(value: number, direction: 1 | -1): number {
  if (value === 0) return direction * Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const away = value > 0 === direction > 0;
  view.setBigInt64(0, view.getBigInt64(0) + (away ? 1n : -1n));
  return view.getFloat64(0);
}
