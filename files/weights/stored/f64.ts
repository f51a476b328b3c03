// IEEE 754 double precision, rounded to single.

import type { StoredFormat } from "./format.ts";

export const F64: StoredFormat = {
  bytes: 8,
  elements: 1,
  ggml: { number: 28, name: "F64" },
  safetensors: "F64",
  decode(bytes, out) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < out.length; i++) out[i] = view.getFloat64(8 * i, true);
  },
  findUnfit(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; 8 * i < bytes.length; i++) {
      if (!Number.isFinite(Math.fround(view.getFloat64(8 * i, true)))) return i;
    }
    return -1;
  },
  held: "f32",
};
