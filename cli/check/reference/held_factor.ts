// A factor of an adapter as a dtype holds it, element by element: rounded to halves, or to whole numbers in blocks of 32 of a row.

const BLOCK = 32;

export function heldFactor(
  values: Float32Array,
  columns: number,
  dtype: "f32" | "f16" | "q8_0" | "q4_0",
): Float32Array {
  if (dtype === "f32") return values;
  if (dtype === "f16") return values.map(half);
  return values.map((value, i) => {
    const row = i - (i % columns);
    const first = i - ((i - row) % BLOCK);
    const block = values.subarray(first, Math.min(first + BLOCK, row + columns));
    const largest = block.reduce((most, other) => (Math.abs(other) > Math.abs(most) ? other : most), 0);
    if (largest === 0) return 0;
    if (dtype === "q8_0") return whole(value, Math.fround(Math.abs(largest) / 127), 127);
    return whole(value, Math.fround(largest / -8), 7);
  });
}

/** The nearest multiple of `scale`, up to `most` of it. */
function whole(value: number, scale: number, most: number): number {
  return scale * Math.min(Math.round(value / scale), most);
}

/** The nearest half, ties to even: 11 significant bits, and steps of 2^-24 below 2^-14. */
function half(value: number): number {
  const step = 2 ** Math.max(-24, Math.floor(Math.log2(Math.abs(value))) - 10);
  const whole = value / step;
  const nearest = Math.round(whole);
  const isTie = Math.abs(whole % 1) === 0.5;
  return value === 0 ? 0 : step * (isTie ? 2 * Math.round(whole / 2) : nearest);
}
