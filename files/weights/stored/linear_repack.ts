// Stored rows to the planes of a device format: quants and scales as shaders/formats/*.wgsl read them.

import { MoloraError } from "../../../proto/errors.ts";
import type { DeviceFormat } from "../../../shaders/formats/device_format.ts";
import { dequantizeRows } from "./dequantize.ts";
import { encodeFloat16 } from "./float16.ts";
import { BEYOND_HALF, type Planes } from "./format.ts";
import { STORED, type StoredType } from "./formats.ts";
import { Q4_0 } from "./q4_0.ts";
import { Q8_0 } from "./q8_0.ts";
import { quantizeQ4_0, quantizeQ8_0 } from "./quantize.ts";

export { BEYOND_HALF, type Planes } from "./format.ts";

/** Bytes of one row in each plane. */
export const PLANE_BYTES: Record<DeviceFormat, (cols: number) => { quants: number; scales: number }> = {
  f32: (cols) => ({ quants: cols * 4, scales: 0 }),
  f16: (cols) => ({ quants: cols * 2, scales: 0 }),
  q8_0: (cols) => ({ quants: cols, scales: cols / 8 }),
  q4: (cols) => ({ quants: cols / 2, scales: cols / 8 }),
  q5: (cols) => ({ quants: cols / 2, scales: cols / 4 }),
  q4_k: (cols) => ({ quants: cols / 2, scales: (cols / 128) * 12 }),
  q6_k: (cols) => ({ quants: (cols / 4) * 3, scales: (cols / 128) * 20 }),
};

/**
 * Repacks whole rows (or blocks) of `type` to `format`: bit for bit where the type's own file says how, else by way of
 * float32, which f16 rounds, and q8_0 and q4 quantise as llama.cpp does to Q8_0 and Q4_0.
 */
export function repack(type: StoredType, bytes: Uint8Array, format: DeviceFormat): Planes | typeof BEYOND_HALF {
  const { held, repack: exact } = STORED[type];
  if (exact !== undefined && held === format) return exact(bytes);
  const floats = floatsOf(type, bytes);
  switch (format) {
    case "f32":
      return { quants: floats };
    case "f16":
      return halvesOf(floats);
    case "q8_0":
      return Q8_0.repack(quantizeQ8_0(floats));
    case "q4":
      return Q4_0.repack(quantizeQ4_0(floats));
    case "q5":
    case "q4_k":
    case "q6_k":
      throw new MoloraError("internal", `${type} is held in ${format}, which nothing is quantised to`);
  }
}

function floatsOf(type: StoredType, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const { bytes: size, elements } = STORED[type];
  const out = new Float32Array((bytes.length / size) * elements);
  dequantizeRows(type, bytes, out);
  return out;
}

function halvesOf(floats: Float32Array): Planes | typeof BEYOND_HALF {
  const out = new Uint16Array(floats.length);
  for (let i = 0; i < out.length; i++) {
    const half = encodeFloat16(floats[i]);
    if ((half & 0x7c00) === 0x7c00) return BEYOND_HALF;
    out[i] = half;
  }
  return { quants: out };
}
