// The 12 bytes in which Q4_K and Q5_K keep eight 6-bit scales and eight 6-bit minima (get_scale_min_k4, ggml-quants.c).

/** Scale of group `group` (0 to 7): 6 bits of the first four bytes, or 4 bits of the last and 2 of the first. */
export function scaleK(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + group] & 63;
  return (bytes[at + 4 + group] & 15) | ((bytes[at + group - 4] >> 6) << 4);
}

/** Minimum of group `group`, likewise of the middle and the last four bytes. */
export function minimumK(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + 4 + group] & 63;
  return (bytes[at + 4 + group] >> 4) | ((bytes[at + group] >> 6) << 4);
}
