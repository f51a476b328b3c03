// One linear layer on the device for tests and benchmarks: weights of any stored type, activations, outputs.

import { randomBytes } from "../../cli/check/cases/weights.ts";
import { allocateFrom, type Device } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import { type LinearWeights, uploadLinear } from "../../engine/model/linear_weights.ts";
import { dequantizeRows } from "../../files/weights/stored/dequantize.ts";
import type { WeightDtype } from "../../files/weights/stored/device_format.ts";
import { STORED, type StoredType } from "../../files/weights/stored/formats.ts";
import type { StoredTensor } from "../../files/weights/tensor.ts";
import { STEP } from "../../shaders/step.ts";
import { randomFloats } from "./device.ts";

/** A matrix of random weights, stored as a file would store it, whose values are about ±1. */
export function randomTensor(type: StoredType, rows: number, cols: number, seed: number): StoredTensor {
  const { bytes: size, elements } = STORED[type];
  const rowBytes = (cols / elements) * size;
  const bytes = randomBytes(type, rows * cols, seed);
  return {
    name: `random ${type}`,
    type,
    shape: [rows, cols],
    bytes: bytes.length,
    readRows: async (from, to) => bytes.subarray(from * rowBytes, to * rowBytes),
  };
}

/** The values of whole tensors joined by rows. */
export async function valuesOf(parts: readonly StoredTensor[]): Promise<Float32Array> {
  const values = new Float32Array(parts.reduce((sum, { shape }) => sum + shape[0] * shape[1], 0));
  let at = 0;
  for (const { type, shape, readRows } of parts) {
    const count = shape[0] * shape[1];
    dequantizeRows(type, await readRows(0, shape[0]), values.subarray(at, at + count));
    at += count;
  }
  return values;
}

export interface LinearCase {
  weights: LinearWeights;
  /** [maxTokens, cols] */
  x: Float32Array<ArrayBuffer>;
  views: { step: View; x: View };
}

export async function linearCase(
  device: Device,
  parts: readonly StoredTensor[],
  maxTokens: number,
  dtype: WeightDtype = "auto",
): Promise<LinearCase> {
  const weights = await uploadLinear(device, parts, dtype);
  const x = randomFloats(maxTokens * weights.cols, 7);
  const views = { step: device.allocate("step", STEP.bytes, "uniform"), x: allocateFrom(device, "x", x) };
  return { weights, x, views };
}
