// Planes of q4_k and q6_k, row by row, to panels of 8 rows as shaders/formats/q4_k.cpu.ts and
// shaders/formats/q6_k.cpu.ts read them.

/** 128 columns of 8 rows: d and e of every row, its groups' scales and minima, then their words. */
export const SCALED_BLOCK = {
  q4_k: { bytes: 608, groups: 4, words: 4 },
  q6_k: { bytes: 928, groups: 8, words: 3 },
} as const;

const ROWS = 8;

/** Whole rows: `quants` [rows][cols / 128][groups][words], `scales` [rows][cols / 128][2 + groups] halves. */
export function scaledPanels(
  quants: Uint32Array,
  scales: Uint16Array,
  format: keyof typeof SCALED_BLOCK,
  cols: number,
): Uint8Array<ArrayBuffer> {
  const { bytes: size, groups, words } = SCALED_BLOCK[format];
  const blocks = cols / 128;
  const rows = scales.length / (2 + groups) / blocks;
  const out = new Uint8Array(Math.ceil(rows / ROWS) * blocks * size);
  const halves = new Uint16Array(out.buffer);
  const wide = new Uint32Array(out.buffer);
  const minima = 4 * ROWS + groups * ROWS;
  const codes = (4 * ROWS + 2 * groups * ROWS) / 4;
  let fromScale = 0;
  let fromWord = 0;
  for (let row = 0; row < rows; row++) {
    const lane = row % ROWS;
    let at = Math.floor(row / ROWS) * blocks * size;
    for (let b = 0; b < blocks; b++, at += size) {
      halves[at / 2 + lane] = scales[fromScale++];
      halves[at / 2 + ROWS + lane] = scales[fromScale++];
      for (let g = 0; g < groups; g++) {
        const pair = scales[fromScale++];
        out[at + 4 * ROWS + g * ROWS + lane] = pair & 0xff;
        out[at + minima + g * ROWS + lane] = pair >> 8;
      }
      const to = at / 4 + codes + lane;
      for (let n = 0; n < groups * words; n++) wide[to + n * ROWS] = quants[fromWord++];
    }
  }
  return out;
}
