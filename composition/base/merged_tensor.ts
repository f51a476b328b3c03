// A tensor of a base as a merged base stores it: bit for bit where nothing is added, else encoded anew.

import { readFloats } from "../../files/weights/floats.ts";
import { encodeFloats } from "../../files/weights/safetensors/safetensors_write.ts";
import { dequantizeRows } from "../../files/weights/stored/dequantize.ts";
import { STORED, type StoredType } from "../../files/weights/stored/formats.ts";
import { quantizeQ8_0 } from "../../files/weights/stored/quantize.ts";
import { rowCount, type StoredTensor } from "../../files/weights/tensor.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Matrix } from "../linear/matrix.ts";

/** What merged weights can be stored in. */
export const MERGED_TYPES = ["f32", "f16", "bf16", "q8_0"] as const;
export type MergedType = (typeof MERGED_TYPES)[number];

/** Sums of squares over all that was encoded: what rounding took away, and what was added. */
export interface Rounding {
  lost: number;
  added: number;
}

/** A tensor to write. `read` gives its bytes, once. */
export interface WrittenPiece {
  name: string;
  type: StoredType;
  shape: readonly number[];
  read(): Promise<Uint8Array>;
}

/** As it is stored. */
export function unchanged(tensor: StoredTensor, name = tensor.name): WrittenPiece {
  const read = () => tensor.readRows(0, rowCount(tensor.shape));
  return { name, type: tensor.type, shape: tensor.shape, read };
}

/**
 * W + Δ, or W alone, in another type. `rowOf`: the place of a row in the file.
 *
 * @throws MoloraError `unsupported_dtype` where rows are no whole blocks; `read` throws `tensor_not_finite` for sums that
 * the type does not hold
 */
export function encoded(
  tensor: StoredTensor,
  type: MergedType,
  { name = tensor.name, delta, placeOf = (row) => row, rounding }: EncodeOptions,
): WrittenPiece {
  const { shape } = tensor;
  const width = shape.at(-1)!;
  if (width % STORED[type].elements !== 0) {
    throw new MoloraError(
      "unsupported_dtype",
      `tensor ${name}: rows of ${width} values are no whole blocks of ${type}`,
      {
        remedy: "Write f16, which takes any width.",
      },
    );
  }
  const read = async () => {
    const values = await readFloats(tensor);
    const added = delta?.();
    const wanted = added === undefined ? values : Float32Array.from(values, (value, i) => value + added.data[i]);
    const bytes = encode(wanted, type);
    const back = new Float32Array(wanted.length);
    dequantizeRows(type, bytes, back);
    for (let i = 0; i < back.length; i++) {
      if (!Number.isFinite(back[i])) {
        throw new MoloraError("tensor_not_finite", `tensor ${name}: ${wanted[i]} is beyond what ${type} holds`, {
          remedy: "Write f32 or bf16.",
        });
      }
      if (added === undefined) continue;
      rounding.lost += (back[i] - (values[i] + added.data[i])) ** 2;
      rounding.added += added.data[i] ** 2;
    }
    return inPlace(bytes, rowCount(shape), placeOf);
  };
  return { name, type, shape, read };
}

export interface EncodeOptions {
  name?: string;
  /** [out, in], computed when the tensor is read. */
  delta?: (() => Matrix) | undefined;
  placeOf?: (row: number) => number;
  rounding: Rounding;
}

function encode(values: Float32Array, type: MergedType): Uint8Array {
  return type === "q8_0" ? quantizeQ8_0(values) : encodeFloats({ type, data: values });
}

function inPlace(bytes: Uint8Array, rows: number, placeOf: (row: number) => number): Uint8Array {
  const size = bytes.length / rows;
  const placed = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++) placed.set(bytes.subarray(row * size, (row + 1) * size), placeOf(row) * size);
  return placed;
}
