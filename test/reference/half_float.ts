// The two 16-bit floats of weight files as float64.

/** IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
export function f16(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** bfloat16: the upper half of a binary32. */
export function bf16(bits: number): number {
  return new Float32Array(new Uint32Array([bits << 16]).buffer)[0];
}
