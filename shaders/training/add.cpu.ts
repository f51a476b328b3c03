// Semantics and shapes: add.wgsl. Items: tokens.

@unmanaged
export class AddArgs {
  left: usize;
  right: usize;
  sum: usize;
  WIDTH: i32;
}

export function add(args: usize, first: i32, end: i32): void {
  const a = changetype<AddArgs>(args);
  const bytes = <usize>a.WIDTH << 2;
  const last = <usize>end * bytes;
  for (let i = <usize>first * bytes; i < last; i += 16) {
    v128.store(a.sum + i, f32x4.add(v128.load(a.left + i), v128.load(a.right + i)));
  }
}
