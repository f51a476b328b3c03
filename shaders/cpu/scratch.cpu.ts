// The memory that a thread's kernels may use between their first and last line: SCRATCH_BYTES, given once by the host.

/** Begins at a multiple of 16. Every thread has its own instance of the module, and so its own. */
export let scratch: usize = 0;

/** Bytes that the host sets aside for each thread. */
export const SCRATCH_BYTES: i32 = 256 << 10;

export function setScratch(address: usize): void {
  scratch = address;
}
