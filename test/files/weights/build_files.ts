// Weight files built in memory, honest or lying, for the readers' tests.
// safetensors are put together here, GGUF headers piece by piece.

import type { ByteSource, SourceFolder } from "../../../files/source.ts";
import { MemorySource } from "../../../files/source.ts";

/** A safetensors file with any header text or object and any data behind it. */
export function safetensorsBytes(header: unknown, data: Uint8Array, statedLength?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, statedLength ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

/** F32 tensors, one after another, as a safetensors file. */
export function f32Safetensors(tensors: Record<string, { shape: number[]; values: Float32Array }>): Uint8Array {
  const header: Record<string, unknown> = {};
  let offset = 0;
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  }
  const data = new Uint8Array(offset);
  let at = 0;
  for (const { values } of Object.values(tensors)) {
    data.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return safetensorsBytes(header, data);
}

/** Little-endian pieces of a GGUF header, for claims no writer would make. */
export class GgufPieces {
  readonly #bytes: number[] = [];

  u32(value: number): this {
    for (let i = 0; i < 4; i++) this.#bytes.push((value >>> (8 * i)) & 0xff);
    return this;
  }

  u64(value: number | bigint): this {
    const big = BigInt(value);
    return this.u32(Number(big & 0xffffffffn)).u32(Number(big >> 32n));
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    return this.u64(bytes.length).raw(bytes);
  }

  raw(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  /** Magic, version and the two counts. */
  start(tensors: number | bigint, metadata: number | bigint, version = 3): this {
    return this.raw(new TextEncoder().encode("GGUF")).u32(version).u64(tensors).u64(metadata);
  }

  /** A directory entry; `dims` innermost first, as the file has them. */
  tensor(name: string, dims: (number | bigint)[], type: number, offset: number | bigint): this {
    this.text(name).u32(dims.length);
    for (const dim of dims) this.u64(dim);
    return this.u32(type).u64(offset);
  }

  /** The header padded to 32 bytes, then `data` zero bytes. */
  source(data: number): MemorySource {
    const padded = Math.ceil(this.#bytes.length / 32) * 32;
    const bytes = new Uint8Array(padded + data);
    bytes.set(this.#bytes);
    return new MemorySource("hand.gguf", bytes);
  }
}

/** A folder in memory: text or bytes by file name. */
export class MemoryFolder implements SourceFolder {
  readonly name = "folder";
  readonly #files: Record<string, Uint8Array | string>;

  constructor(files: Record<string, Uint8Array | string>) {
    this.#files = files;
  }

  async open(path: string): Promise<ByteSource | undefined> {
    const file = this.#files[path];
    if (file === undefined) return undefined;
    return new MemorySource(path, typeof file === "string" ? new TextEncoder().encode(file) : file);
  }

  async list(): Promise<string[]> {
    return Object.keys(this.#files);
  }
}

/** Counts the bytes a reader takes from a source. */
export class CountingSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  bytesRead = 0;
  readonly #inner: ByteSource;

  constructor(inner: ByteSource) {
    this.name = inner.name;
    this.size = inner.size;
    this.#inner = inner;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#inner.read(offset, length);
    this.bytesRead += length;
    return bytes;
  }
}
