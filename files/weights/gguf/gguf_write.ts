// A GGUF file made from metadata and tensors in memory.
// Names, row order and quantised bytes are the caller's.

import { MoloraError } from "../../../proto/errors.ts";
import { STORED, type StoredType } from "../stored/formats.ts";
import { VALUE_TYPES, type ValueType } from "./gguf_types.ts";

/** A metadata value with the type the file is to state for it. An array states its elements' type. */
export type TypedValue =
  | { type: Exclude<ValueType, "array" | "string" | "bool" | "u64" | "i64">; value: number }
  | { type: "u64" | "i64"; value: bigint }
  | { type: "string"; value: string }
  | { type: "bool"; value: boolean }
  | { type: "array"; of: Exclude<ValueType, "array">; value: readonly (string | number | bigint | boolean)[] };

/** A tensor to write: GGUF name, shape outermost first, bytes as `type` stores them. */
export interface GgufTensor {
  name: string;
  type: StoredType;
  shape: readonly number[];
  bytes: Uint8Array;
}

export const GGUF_ALIGNMENT = 32;

/** The bytes of a GGUF 3 file: metadata in the order given, tensors one after another at multiples of 32. */
export function writeGguf(metadata: ReadonlyMap<string, TypedValue>, tensors: readonly GgufTensor[]): Uint8Array {
  const file = new GgufSink();
  file.raw(ggufHeader(metadata, tensors));
  for (const tensor of tensors) {
    file.raw(tensor.bytes);
    file.pad(GGUF_ALIGNMENT);
  }
  return file.bytes();
}

/** All before the tensors' bytes, which follow in this order, each padded with zeros to a multiple of 32. */
export function ggufHeader(
  metadata: ReadonlyMap<string, TypedValue>,
  tensors: readonly Omit<GgufTensor, "bytes">[],
): Uint8Array {
  const header = new GgufSink();
  header.raw(new TextEncoder().encode("GGUF"));
  header.number("u32", 3);
  header.number("u64", tensors.length);
  header.number("u64", metadata.size);
  for (const [key, value] of metadata) {
    header.string(key);
    header.typeOf(value.type);
    header.value(value);
  }
  let offset = 0;
  for (const { name, type, shape } of tensors) {
    header.string(name);
    header.number("u32", shape.length);
    for (const size of [...shape].reverse()) header.number("u64", size);
    header.number("u32", numberOf(type));
    header.number("u64", offset);
    offset += aligned(storedBytes(type, shape));
  }
  header.pad(GGUF_ALIGNMENT);
  return header.bytes();
}

function numberOf(type: StoredType): number {
  const { ggml } = STORED[type];
  if (ggml === undefined) throw new MoloraError("internal", `${type} is none of GGUF's types`);
  return ggml.number;
}

/** Bytes that a tensor takes. */
export function storedBytes(type: StoredType, shape: readonly number[]): number {
  const { bytes, elements } = STORED[type];
  return (shape.reduce((product, size) => product * size, 1) / elements) * bytes;
}

const aligned = (length: number) => Math.ceil(length / GGUF_ALIGNMENT) * GGUF_ALIGNMENT;

/** Pieces of a file, joined at the end. */
class GgufSink {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  raw(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#length += piece.length;
  }

  pad(alignment: number): void {
    this.raw(new Uint8Array((alignment - (this.#length % alignment)) % alignment));
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.number("u64", bytes.length);
    this.raw(bytes);
  }

  typeOf(type: ValueType): void {
    this.number("u32", VALUE_TYPES.indexOf(type));
  }

  value(typed: TypedValue): void {
    if (typed.type === "string") this.string(typed.value);
    else if (typed.type === "array") this.array(typed.of, typed.value);
    else this.number(typed.type, typed.value);
  }

  array(of: Exclude<ValueType, "array">, values: readonly (string | number | bigint | boolean)[]): void {
    this.typeOf(of);
    this.number("u64", values.length);
    for (const value of values) {
      if (of === "string") this.string(String(value));
      else this.number(of, typeof value === "string" ? Number(value) : value);
    }
  }

  number(type: Exclude<ValueType, "array" | "string">, value: number | bigint | boolean): void {
    const bytes = new Uint8Array(SIZES[type]);
    const view = new DataView(bytes.buffer);
    if (type === "f32") view.setFloat32(0, Number(value), true);
    else if (type === "f64") view.setFloat64(0, Number(value), true);
    else if (bytes.length === 8) view.setBigInt64(0, BigInt(value), true);
    else for (let i = 0; i < bytes.length; i++) bytes[i] = Number(value) >> (8 * i);
    this.raw(bytes);
  }

  bytes(): Uint8Array {
    const joined = new Uint8Array(this.#length);
    let offset = 0;
    for (const piece of this.#pieces) {
      joined.set(piece, offset);
      offset += piece.length;
    }
    return joined;
  }
}

const SIZES = { u8: 1, i8: 1, bool: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, u64: 8, i64: 8, f64: 8 } as const;
