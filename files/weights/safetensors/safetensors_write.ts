// Named float32 tensors as the bytes of a safetensors file, stored as F32, F16 or BF16.
// safetensors.ts reads what it writes.

import { MoloraError } from "../../../proto/errors.ts";
import { encodeFloat16 } from "../stored/float16.ts";

export type WrittenType = "f32" | "f16" | "bf16";

export interface WrittenTensor {
  name: string;
  /** Row-major, outermost first. */
  shape: readonly number[];
  data: Float32Array;
  /** Default: f32. Narrower types round to the nearest, ties to even. */
  type?: WrittenType;
}

/**
 * The file: 8 bytes header length, JSON header padded with spaces to 8 bytes, data. Wider types come first, then by
 * name, as the reference writer lays them out, so that every tensor is aligned to its element.
 */
export function writeSafetensors(tensors: Iterable<WrittenTensor>, metadata?: Record<string, string>): Uint8Array {
  const ordered = [...tensors].sort((a, b) => width(b) - width(a) || (a.name < b.name ? -1 : 1));
  const header = new Map<string, unknown>(metadata === undefined ? [] : [["__metadata__", metadata]]);
  let end = 0;
  for (const tensor of ordered) {
    checkTensor(tensor, header);
    const begin = end;
    end += tensor.data.length * width(tensor);
    const dtype = (tensor.type ?? "f32").toUpperCase();
    header.set(tensor.name, { dtype, shape: tensor.shape, data_offsets: [begin, end] });
  }

  const start = safetensorsHeader(header);
  const file = new Uint8Array(start.length + end);
  file.set(start);
  let at = start.length;
  for (const tensor of ordered) {
    const bytes = encodeFloats(tensor);
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

/** All before the tensors' bytes: 8 bytes header length, and entries as JSON padded with spaces to 8 bytes. */
export function safetensorsHeader(entries: ReadonlyMap<string, unknown>): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const length = Math.ceil(json.length / 8) * 8;
  const start = new Uint8Array(8 + length);
  new DataView(start.buffer).setBigUint64(0, BigInt(length), true);
  start.fill(0x20, 8);
  start.set(json, 8);
  return start;
}

function width(tensor: WrittenTensor): number {
  return (tensor.type ?? "f32") === "f32" ? 4 : 2;
}

function checkTensor(tensor: WrittenTensor, header: ReadonlyMap<string, unknown>): void {
  if (header.has(tensor.name)) throw new MoloraError("internal", `tensor ${tensor.name} is written twice`);
  const elements = tensor.shape.reduce((product, size) => product * size, 1);
  if (elements !== tensor.data.length) {
    const message = `tensor ${tensor.name}: ${tensor.data.length} elements for shape [${tensor.shape.join(", ")}]`;
    throw new MoloraError("tensor_shape", message);
  }
}

/** Values as a written type stores them. */
export function encodeFloats({ type, data }: Pick<WrittenTensor, "type" | "data">): Uint8Array {
  switch (type) {
    case "f16":
      return bytesOf(halves(data));
    case "bf16":
      return bytesOf(brainFloats(data));
    default:
      return bytesOf(data);
  }
}

/** A loop: `from` with a function goes through an iterator, and takes ten times as long. */
function halves(data: Float32Array): Uint16Array {
  const encoded = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) encoded[i] = encodeFloat16(data[i]);
  return encoded;
}

/** The upper halves of float32 words, rounded to nearest even; a NaN keeps a set fraction bit. */
function brainFloats(data: Float32Array): Uint16Array {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const encoded = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) {
    encoded[i] = Number.isNaN(data[i]) ? 0x7fc0 : (words[i] + 0x7fff + ((words[i] >>> 16) & 1)) >>> 16;
  }
  return encoded;
}

function bytesOf(array: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
