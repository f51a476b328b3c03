// Matrices of random weights as files store them, on a device, with the values they stand for.

import type { Device } from "../../../engine/device/device.ts";
import type { View } from "../../../engine/device/memory.ts";
import { uploadLinear } from "../../../engine/model/linear_weights.ts";
import { dequantizeRows } from "../../../files/weights/stored/dequantize.ts";
import { encodeFloat16 } from "../../../files/weights/stored/float16.ts";
import { STORED, type StoredType } from "../../../files/weights/stored/formats.ts";
import type { DeviceFormat } from "../../../shaders/formats/device_format.ts";
import { randomFloats } from "../random.ts";

/** One of each format that devices hold weights in. */
export const WEIGHT_TYPES = ["f32", "f16", "q8_0", "q4_0", "q4_1"] as const satisfies readonly StoredType[];
export type WeightType = (typeof WEIGHT_TYPES)[number];

export interface CaseWeights {
  format: DeviceFormat;
  views: { quants: View; scales: View };
  /** [rows, cols] */
  values: Float32Array;
}

/** Values of about ±1. */
export async function caseWeights(
  device: Device,
  type: WeightType,
  [rows, cols]: readonly [rows: number, cols: number],
  seed: number,
): Promise<CaseWeights> {
  const bytes = randomBytes(type, rows * cols, seed);
  const rowBytes = bytes.length / rows;
  const readRows = async (from: number, to: number) => bytes.subarray(from * rowBytes, to * rowBytes);
  const tensor = { name: `random ${type}`, type, shape: [rows, cols], bytes: bytes.length, readRows };
  const { format, shards } = await uploadLinear(device, [tensor], "auto");
  const { quants, scales } = shards[0];
  const values = new Float32Array(rows * cols);
  dequantizeRows(type, bytes, values);
  return { format, views: { quants, scales }, values };
}

function randomBytes(type: WeightType, count: number, seed: number): Uint8Array {
  const { bytes: size, elements } = STORED[type];
  const random = randomFloats(count, seed);
  if (type === "f32") return new Uint8Array(random.buffer);
  if (type === "f16") return new Uint8Array(Uint16Array.from(random, encodeFloat16).buffer);
  const bytes = new Uint8Array((count / elements) * size).map((_, i) => (random[i % count] + 1) * 128);
  const largest = type === "q8_0" ? 128 : 8;
  for (let at = 0; at < bytes.length; at += size) {
    const d = (1 + random[at / size] / 2) / largest;
    storeHalf(bytes, at, d);
    if (type === "q4_1") storeHalf(bytes, at + 2, -7 * d);
  }
  return bytes;
}

function storeHalf(bytes: Uint8Array, at: number, value: number): void {
  const half = encodeFloat16(value);
  bytes[at] = half & 0xff;
  bytes[at + 1] = half >> 8;
}
