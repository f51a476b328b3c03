// Where bytes come from: positioned reads over something of known size.
// Node files, browser Blobs and memory all fit it.

import { MoloraError } from "../proto/errors.ts";

/** A file-like thing. Implementations may serve reads in any order and concurrently. */
export interface ByteSource {
  /** For messages only. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /**
   * Exactly `length` bytes at `offset`.
   *
   * @throws MoloraError `file_truncated` where they do not exist.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Another file of the folder this one lies in, where it lies in one; undefined where there is none of that name. */
  readonly beside?: (name: string) => Promise<ByteSource | undefined>;
}

/** A folder: named sources beside each other. `open` gives undefined where there is no such file. */
export interface SourceFolder {
  readonly name: string;
  open(path: string): Promise<ByteSource | undefined>;
  /** Names of the files directly inside. */
  list(): Promise<string[]>;
}

/** Bytes already in memory. */
export class MemorySource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(name: string, bytes: Uint8Array) {
    this.name = name;
    this.size = bytes.byteLength;
    this.#bytes = bytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    return this.#bytes.subarray(offset, offset + length);
  }
}

/** A folder of files already in memory. */
export class MemoryFolder implements SourceFolder {
  readonly name: string;
  readonly #files: ReadonlyMap<string, Uint8Array>;

  constructor(name: string, files: ReadonlyMap<string, Uint8Array>) {
    this.name = name;
    this.#files = files;
  }

  async open(path: string): Promise<ByteSource | undefined> {
    const bytes = this.#files.get(path);
    return bytes && new MemorySource(`${this.name}/${path}`, bytes);
  }

  async list(): Promise<string[]> {
    return [...this.#files.keys()].filter((path) => !path.includes("/"));
  }
}

/** Refuses a read outside a source, before any memory is taken for it. */
export function checkRange(source: ByteSource, offset: number, length: number): void {
  if (offset < 0 || length < 0 || offset + length > source.size) {
    throw new MoloraError(
      "file_truncated",
      `${source.name}: bytes ${offset}..${offset + length} asked for, the file has ${source.size}`,
      { remedy: "Fetch the file again; it is shorter than its header says." },
    );
  }
}

/** A whole small file, refused above `limit` bytes. */
export async function readSmall(source: ByteSource, limit = 64 << 20): Promise<Uint8Array> {
  if (source.size > limit) {
    throw new MoloraError("header_too_large", `${source.name}: ${source.size} bytes, at most ${limit} are read`);
  }
  return source.read(0, source.size);
}

/** The same as text. */
export async function readText(source: ByteSource, limit?: number): Promise<string> {
  return new TextDecoder().decode(await readSmall(source, limit));
}
