// A factor of an adapter as a dtype holds it, element by element: rounded to halves, or to int8 in blocks of 32 of a row.

const BLOCK = 32;

export function heldFactor(values: Float32Array, columns: number, dtype: "f32" | "f16" | "q8_0"): Float32Array {
  if (dtype === "f32") return values;
  if (dtype === "f16") return values.map(half);
  return values.map((value, i) => {
    const row = i - (i % columns);
    const first = i - ((i - row) % BLOCK);
    const block = values.subarray(first, Math.min(first + BLOCK, row + columns));
    const scale = Math.fround(Math.max(...block.map(Math.abs)) / 127);
    return scale === 0 ? 0 : scale * Math.round(value / scale);
  });
}

/** The nearest half, ties to even: 11 significant bits, and steps of 2^-24 below 2^-14. */
function half(value: number): number {
  const step = 2 ** Math.max(-24, Math.floor(Math.log2(Math.abs(value))) - 10);
  const whole = value / step;
  const nearest = Math.round(whole);
  const isTie = Math.abs(whole % 1) === 0.5;
  return value === 0 ? 0 : step * (isTie ? 2 * Math.round(whole / 2) : nearest);
}
