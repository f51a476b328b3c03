// Metadata of a GGUF file under its architecture's prefix, read by key and kind.

import { shown } from "../shown.ts";
import type { GgufValue } from "../weights/gguf/gguf.ts";
import { configInvalid } from "./check_config.ts";

export type Metadata = ReadonlyMap<string, GgufValue>;

/** Reads keys "ARCHITECTURE.key"; complaints name file and key. */
export class GgufFields {
  readonly file: string;
  readonly #metadata: Metadata;
  readonly #prefix: string;

  constructor(file: string, metadata: Metadata, architecture: string) {
    this.file = file;
    this.#metadata = metadata;
    this.#prefix = `${architecture}.`;
  }

  raw(key: string): GgufValue | undefined {
    return this.#metadata.get(this.#prefix + key);
  }

  number(key: string, fallback?: number): number {
    return ggufNumber(this.file, this.#metadata, this.#prefix + key, fallback);
  }

  positive(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (!(value > 0 && Number.isFinite(value))) throw configInvalid(this.file, `${this.#prefix}${key} is ${value}`);
    return value;
  }
}

export function ggufNumber(file: string, metadata: Metadata, key: string, fallback?: number): number {
  const value = metadata.get(key) ?? fallback;
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "number") throw configInvalid(file, `${key} is ${shown(value ?? "missing")}, not a number`);
  return value;
}
