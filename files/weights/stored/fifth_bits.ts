// The fifth bits of 32 codes: as GGUF has them, bit n that of code n, and as the device's q5 wants them.

/** Bit 4p + i to bit p of byte i, so that a shift brings the bits of four neighbours to the same place of four bytes. */
export function fourRows(bits: number): number {
  let out = 0;
  for (let p = 0; p < 8; p++) {
    const four = (bits >>> (4 * p)) & 15;
    out |= ((four * 0x204081) & 0x01010101) << p;
  }
  return out;
}
