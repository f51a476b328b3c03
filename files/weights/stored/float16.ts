// IEEE 754 half precision to and from float32, bit for bit, for engines without Float16Array.
// bfloat16 needs no file: it is a float32's upper half.

const word = new Uint32Array(1);
const real = new Float32Array(word.buffer);

/** The value of a half given by its 16 bits. NaN stays NaN, its payload is not kept. */
export function decodeFloat16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  word[0] = ((half & 0x8000) << 16) | ((exponent + 112) << 23) | (fraction << 13); // the exponent rebiased, 15 → 127
  return real[0];
}

/** The 16 bits of the half nearest to `value` taken as a float32; ties go to even, beyond 65504 + ½ ulp to infinity. */
export function encodeFloat16(value: number): number {
  real[0] = value;
  const sign = (word[0] >>> 16) & 0x8000;
  const magnitude = word[0] & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 2^-14 is the least normal half: below it the half's step is 2^-24, and the product is exact.
  if (magnitude < 0x38800000) return sign | roundHalfEven(Math.abs(real[0]) * 2 ** 24);
  // Rebias the exponent (127 → 15) and drop 13 fraction bits; a carry out of the fraction is the right exponent.
  const kept = (magnitude - 0x38000000) >>> 13;
  const dropped = magnitude & 0x1fff;
  const up = dropped > 0x1000 || (dropped === 0x1000 && (kept & 1) === 1) ? 1 : 0;
  return sign | Math.min(kept + up, 0x7c00);
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && (below & 1) === 1) ? below + 1 : below;
}

let table: Float32Array | undefined;

/** All 65,536 halves by their bits: decoding a tensor is a look-up. 256 KiB, made when first asked for. */
export function float16Table(): Float32Array {
  if (table === undefined) {
    table = new Float32Array(65536);
    for (let half = 0; half < table.length; half++) table[half] = decodeFloat16(half);
  }
  return table;
}
