// B of a pair as kernels read it: rows of whole vec4s, with the scale in them.

import type { LoraModule } from "../../files/lora/adapter.ts";

/** `offset`: floats. B may be that of several matrices, one behind the other. */
export function packB(run: Float32Array, offset: number, { b, rank, scale }: LoraModule): void {
  const stride = 4 * Math.ceil(rank / 4);
  const rows = rank === 0 ? 0 : b.length / rank;
  for (let row = 0; row < rows; row++) {
    for (let r = 0; r < rank; r++) run[offset + row * stride + r] = scale * b[row * rank + r]!;
  }
}
