// Activations as the CPU's kernels leave them for linear layers and gates: int8 in blocks of 32.

/** x in int8 blocks of 32 with their (scale, scale · sum), and what these stand for. */
export function int8Blocks(x: Float32Array) {
  const quants = new Int8Array(x.length);
  const xs = new Float32Array(x.length / 16);
  for (let block = 0; block < x.length / 32; block++) {
    const values = x.subarray(32 * block, 32 * block + 32);
    const scale = Math.fround(values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127);
    let sum = 0;
    for (const [i, value] of values.entries()) {
      quants[32 * block + i] = Math.round(value / scale);
      sum += quants[32 * block + i];
    }
    xs.set([scale, scale * sum], 2 * block);
  }
  const values = Float64Array.from(quants, (q, i) => q * xs[2 * Math.floor(i / 32)]);
  return { xq: new Uint32Array(quants.buffer), xs, values };
}
