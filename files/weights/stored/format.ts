// What a stored element type says of itself. Each has one file here (q4_0.ts, …); formats.ts lists them.

import type { DeviceFormat } from "../../../shaders/formats/device_format.ts";

export interface StoredFormat {
  /** Bytes and elements of one block. Blocks lie along the last dimension; a plain type's block is one element. */
  readonly bytes: number;
  readonly elements: number;
  /** ggml's number (enum ggml_type of ggml.h) and name, where it is one of GGUF's types. */
  readonly ggml?: { readonly number: number; readonly name: string };
  /** Its dtype in safetensors, where that has one. */
  readonly safetensors?: string;
  /** Writes the elements of whole blocks, rounded once to float32. `bytes` may start at any alignment. */
  decode(bytes: Uint8Array, out: Float32Array): void;
  /** Index of the first element that makes no float32 (a NaN, an infinity), -1 where there is none. */
  findUnfit(bytes: Uint8Array): number;
  /** How the device holds it unless it is asked for something else (see device_format.ts). */
  readonly held: DeviceFormat;
  /** Whole blocks as planes of `held`, no bit changed. Absent where `held` holds decoded floats. */
  repack?(bytes: Uint8Array): Planes | typeof BEYOND_HALF;
}

/** Over memory that is not shared. `ArrayBufferView<ArrayBuffer>`, as older compilers of this package's users read it. */
type Values = ArrayBufferView & { readonly buffer: ArrayBuffer };

/** Rows as a device format has them: quants, and for quantised formats a scale a block. */
export interface Planes {
  quants: Values;
  scales?: Values;
}

/** Says that a value has no half-precision counterpart: the format chosen cannot hold these rows. */
export const BEYOND_HALF = Symbol("beyond half precision");
