// Ranges of a device's memory. A view is all that the engine ever holds of it.

/** What a device allocated: a GPU's buffer, or a range of the memory that CPU threads share. */
export interface DeviceBuffer {
  readonly label: string;
  /** Bytes. */
  readonly size: number;
}

/** A range of a buffer, as kernels work on it. */
export interface View {
  readonly buffer: DeviceBuffer;
  /** Bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** A part of a view. `offset` must be a multiple of VIEW_ALIGNMENT. */
export function subView(view: View, offset: number, size: number): View {
  return { buffer: view.buffer, offset: view.offset + offset, size };
}
