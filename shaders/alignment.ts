// Rounding up, and the alignment that every device's views keep.

/** Smallest alignment of a view's offset that every device accepts, in bytes. */
export const VIEW_ALIGNMENT = 256;

export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
