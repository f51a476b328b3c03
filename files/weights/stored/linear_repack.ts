// Stored rows to the planes of a device format: quants and scales as parts/format_*.wgsl read them.
// It knows nothing of buffers or of where rows come from.

import type { DeviceFormat } from "../../../shaders/formats/device_format.ts";
import { STORED, type StoredType } from "../tensor.ts";
import { dequantizeRows } from "./dequantize.ts";
import { encodeFloat16, float16Table } from "./float16.ts";
import { quantizeQ8_0 } from "./quantize.ts";

/** Bytes of one row in each plane. */
export const PLANE_BYTES: Record<DeviceFormat, (cols: number) => { quants: number; scales: number }> = {
  f32: (cols) => ({ quants: cols * 4, scales: 0 }),
  f16: (cols) => ({ quants: cols * 2, scales: 0 }),
  q8_0: (cols) => ({ quants: cols, scales: cols / 8 }),
  q4: (cols) => ({ quants: cols / 2, scales: cols / 8 }),
};

export interface Planes {
  quants: ArrayBufferView<ArrayBuffer>;
  scales?: ArrayBufferView<ArrayBuffer>;
}

/** Says that a value has no half-precision counterpart: the format chosen cannot hold these rows. */
export const BEYOND_HALF = Symbol("beyond half precision");

/** Repacks whole rows (or blocks) of `type` to `format`. q8_0 rounds dense weights as llama.cpp does. */
export function repack(type: StoredType, bytes: Uint8Array, format: DeviceFormat): Planes | typeof BEYOND_HALF {
  switch (format) {
    case "f32":
      return { quants: floatsOf(type, bytes) };
    case "f16":
      return halvesOf(type, bytes);
    case "q8_0":
      return splitQ8(type === "q8_0" ? bytes : quantizeQ8_0(floatsOf(type, bytes)));
    case "q4":
      return splitQ4(type === "q4_1" ? "q4_1" : "q4_0", bytes);
  }
}

function floatsOf(type: StoredType, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const { bytes: size, elements } = STORED[type];
  const out = new Float32Array((bytes.length / size) * elements);
  dequantizeRows(type, bytes, out);
  return out;
}

function halvesOf(type: StoredType, bytes: Uint8Array): Planes | typeof BEYOND_HALF {
  if (type === "f16") return { quants: new Uint8Array(bytes) };
  const floats = floatsOf(type, bytes);
  const out = new Uint16Array(floats.length);
  for (let i = 0; i < out.length; i++) {
    const half = encodeFloat16(floats[i]);
    if ((half & 0x7c00) === 0x7c00) return BEYOND_HALF;
    out[i] = half;
  }
  return { quants: out };
}

/** Blocks of (half d, 32 int8) to int8 and f32 d. */
function splitQ8(bytes: Uint8Array): Planes {
  const half = float16Table();
  const size = STORED.q8_0.bytes;
  const quants = new Uint8Array((bytes.length / size) * 32);
  const scales = new Float32Array(bytes.length / size);
  for (let b = 0, at = 0; b < scales.length; b++, at += size) {
    scales[b] = half[bytes[at] | (bytes[at + 1] << 8)];
    quants.set(bytes.subarray(at + 2, at + size), b * 32);
  }
  return { quants, scales };
}

/** Blocks of (half d[, half m], 16 bytes of nibbles) to nibbles and (d, m); q4_0 is d·(q − 8), so m = −8·d. */
function splitQ4(type: "q4_0" | "q4_1", bytes: Uint8Array): Planes | typeof BEYOND_HALF {
  const half = float16Table();
  const size = STORED[type].bytes;
  const quants = new Uint8Array((bytes.length / size) * 16);
  const scales = new Uint16Array((bytes.length / size) * 2);
  for (let b = 0, at = 0; at < bytes.length; b++, at += size) {
    const d = bytes[at] | (bytes[at + 1] << 8);
    const m = type === "q4_1" ? bytes[at + 2] | (bytes[at + 3] << 8) : encodeFloat16(-8 * half[d]);
    if ((m & 0x7c00) === 0x7c00) return BEYOND_HALF;
    scales[2 * b] = d;
    scales[2 * b + 1] = m;
    quants.set(bytes.subarray(at + size - 16, at + size), b * 16);
  }
  return { quants, scales };
}
