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
export const WEIGHT_TYPES = [
  "f32",
  "f16",
  "q8_0",
  "q4_0",
  "q4_1",
  "q5_1",
  "q4_k",
  "q6_k",
] as const satisfies readonly StoredType[];
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
  const { shards } = await uploadLinear(device, [tensor], "auto");
  const { format, quants, scales } = shards[0];
  const values = new Float32Array(rows * cols);
  dequantizeRows(type, bytes, values);
  return { format, views: { quants, scales }, values };
}

/** Where blocks have halves, and which make values of about ±1 of random bits: times a factor near 1. */
const HALVES: Partial<Record<StoredType, readonly (readonly [at: number, value: number])[]>> = {
  q8_0: [[0, 1 / 128]],
  q4_0: [[0, 1 / 8]],
  q4_1: [
    [0, 1 / 8],
    [2, -7 / 8],
  ],
  q5_0: [[0, 1 / 16]],
  q5_1: [
    [0, 1 / 16],
    [2, -7 / 8],
  ],
  q2_k: [
    [80, 1 / 16],
    [82, 1 / 12],
  ],
  q3_k: [[108, 1 / 128]],
  q4_k: [
    [0, 1 / 256],
    [2, 1 / 32],
  ],
  q5_k: [
    [0, 1 / 512],
    [2, 1 / 32],
  ],
  q6_k: [[208, 1 / 4096]],
};

/** `count` random elements as a file stores them: whole blocks. */
export function randomBytes(type: StoredType, count: number, seed: number): Uint8Array {
  const { bytes: size, elements } = STORED[type];
  const random = randomFloats(count, seed);
  if (type === "f32") return new Uint8Array(random.buffer);
  if (type === "bf16") return bytesOf(Uint16Array.from(new Uint32Array(random.buffer), (word) => word >>> 16));
  if (type === "f16") return bytesOf(Uint16Array.from(random, encodeFloat16));
  const halves = HALVES[type];
  if (halves === undefined) throw new RangeError(`no random ${type}`);
  const bytes = new Uint8Array((count / elements) * size).map((_, i) => (random[i % count] + 1) * 128);
  for (let at = 0; at < bytes.length; at += size) {
    const factor = 1 + random[at / size] / 2;
    for (const [place, value] of halves) storeHalf(bytes, at + place, factor * value);
  }
  return bytes;
}

/** The least number of columns from `cols` on that fills blocks. */
export function wholeColumns(type: StoredType, cols: number): number {
  const { elements } = STORED[type];
  return Math.ceil(cols / elements) * elements;
}

function bytesOf({ buffer }: Uint16Array): Uint8Array {
  return new Uint8Array(buffer);
}

function storeHalf(bytes: Uint8Array, at: number, value: number): void {
  const half = encodeFloat16(value);
  bytes[at] = half & 0xff;
  bytes[at + 1] = half >> 8;
}
