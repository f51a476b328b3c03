// Copies and zeros by plain loads and stores. WebAssembly's memory.copy and memory.fill check their bounds against the size of the
// memory that their thread last heard of: where another thread has just let it grow, they trap on what is there already.

/** Copies `bytes` bytes; the two places do not overlap. */
export function copyBytes(to: usize, from: usize, bytes: usize): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(to + i, v128.load(from + i));
  for (; i < bytes; i++) store<u8>(to + i, load<u8>(from + i));
}

export function zeroBytes(at: usize, bytes: usize): void {
  const zero = i32x4.splat(0);
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(at + i, zero);
  for (; i < bytes; i++) store<u8>(at + i, 0);
}
