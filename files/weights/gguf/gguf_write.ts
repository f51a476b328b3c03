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
  | { type: "array"; of: "string"; value: readonly string[] }
  | { type: "array"; of: "u32" | "i32" | "f32"; value: readonly number[] };

/** A tensor to write: GGUF name, shape outermost first, bytes as `type` stores them. */
export interface GgufTensor {
  name: string;
  type: StoredType;
  shape: readonly number[];
  bytes: Uint8Array;
}

const ALIGNMENT = 32;

/** The bytes of a GGUF 3 file: metadata in the order given, tensors one after another at multiples of 32. */
export function writeGguf(metadata: ReadonlyMap<string, TypedValue>, tensors: readonly GgufTensor[]): Uint8Array {
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
  for (const tensor of tensors) {
    header.string(tensor.name);
    header.number("u32", tensor.shape.length);
    for (const size of [...tensor.shape].reverse()) header.number("u64", size);
    header.number("u32", numberOf(tensor.type));
    header.number("u64", offset);
    offset += aligned(tensor.bytes.length);
  }
  header.pad(ALIGNMENT);
  for (const tensor of tensors) {
    header.raw(tensor.bytes);
    header.pad(ALIGNMENT);
  }
  return header.bytes();
}

function numberOf(type: StoredType): number {
  const { ggml } = STORED[type];
  if (ggml === undefined) throw new MoloraError("internal", `${type} is none of GGUF's types`);
  return ggml.number;
}

const aligned = (length: number) => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

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

  array(of: "string" | "u32" | "i32" | "f32", values: readonly (string | number)[]): void {
    this.typeOf(of);
    this.number("u64", values.length);
    for (const value of values) {
      if (of === "string") this.string(String(value));
      else this.number(of, Number(value));
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
