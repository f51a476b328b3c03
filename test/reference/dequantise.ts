// GGUF's blocks of 32 weights in float64: Q8_0, Q4_0 and Q4_1 (ggml-quants.c, dequantize_row_*).
// Bytes of whole blocks in, weights out.

import { f16 } from "./half_float.ts";

const BLOCK = 32;

function blocks(bytes: Uint8Array, size: number, decode: (view: DataView, out: Float64Array) => void): Float64Array {
  const count = bytes.length / size;
  const out = new Float64Array(count * BLOCK);
  for (let i = 0; i < count; i++) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + i * size, size);
    decode(view, out.subarray(i * BLOCK, (i + 1) * BLOCK));
  }
  return out;
}

/** 34 bytes a block: f16 d, 32 × i8 q; w = d · q. */
export function dequantiseQ8_0(bytes: Uint8Array): Float64Array {
  return blocks(bytes, 34, (view, out) => {
    const d = f16(view.getUint16(0, true));
    for (let i = 0; i < BLOCK; i++) out[i] = d * view.getInt8(2 + i);
  });
}

/** 18 bytes a block: f16 d, 16 bytes; low nibbles are weights 0–15, high ones 16–31; w = d · (q − 8). */
export function dequantiseQ4_0(bytes: Uint8Array): Float64Array {
  return blocks(bytes, 18, (view, out) => {
    const d = f16(view.getUint16(0, true));
    for (let i = 0; i < 16; i++) {
      out[i] = d * ((view.getUint8(2 + i) & 15) - 8);
      out[i + 16] = d * ((view.getUint8(2 + i) >> 4) - 8);
    }
  });
}

/** 20 bytes a block: f16 d, f16 m, 16 bytes in Q4_0's order; w = d · q + m. */
export function dequantiseQ4_1(bytes: Uint8Array): Float64Array {
  return blocks(bytes, 20, (view, out) => {
    const d = f16(view.getUint16(0, true));
    const m = f16(view.getUint16(2, true));
    for (let i = 0; i < 16; i++) {
      out[i] = d * (view.getUint8(4 + i) & 15) + m;
      out[i + 16] = d * (view.getUint8(4 + i) >> 4) + m;
    }
  });
}
