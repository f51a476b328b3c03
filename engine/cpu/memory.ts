// Hands out ranges of the memory that all threads share; what is given back is used again.

import { MoloraError } from "../../proto/errors.ts";
import { alignUp } from "../../shaders/alignment.ts";
import type { DeviceBuffer } from "../device/memory.ts";
import { type SharedMemory, WASM_PAGE } from "./module.ts";

/** A range of the memory. */
export interface CpuBuffer extends DeviceBuffer {
  /** Bytes from the beginning of the memory. */
  readonly address: number;
}

/** Of every range: a cache line. */
const ALIGNMENT = 64;
/** Pages that the memory grows by at least. */
const GROWTH = 256;

interface Range {
  address: number;
  size: number;
}

export class CpuMemory {
  readonly memory: SharedMemory;
  #top: number;
  /** Gaps, by address; never two side by side. */
  #free: Range[] = [];
  #held = 0;

  /** Ranges begin at `from`. */
  constructor(memory: SharedMemory, from: number) {
    this.memory = memory;
    this.#top = alignUp(from, ALIGNMENT);
  }

  /** Bytes handed out now. */
  get held(): number {
    return this.#held;
  }

  /** A range of zeros. @throws MoloraError `gpu_limit` beyond 4 GiB in all */
  take(label: string, bytes: number): CpuBuffer {
    const size = alignUp(Math.max(bytes, 16), ALIGNMENT);
    const gap = this.#free.find((range) => range.size >= size);
    const address = gap === undefined ? this.#extend(label, size) : this.#cut(gap, size);
    this.#held += size;
    return { label, size, address };
  }

  /** False for a range that was given back already. */
  give({ address, size }: CpuBuffer): boolean {
    if (this.#free.some((gap) => gap.address <= address && address < gap.address + gap.size)) return false;
    this.#held -= size;
    const at = this.#free.findIndex((gap) => gap.address > address);
    this.#free.splice(at < 0 ? this.#free.length : at, 0, { address, size });
    this.#free = joined(this.#free);
    return true;
  }

  #cut(gap: Range, size: number): number {
    const { address } = gap;
    gap.address += size;
    gap.size -= size;
    if (gap.size === 0) this.#free.splice(this.#free.indexOf(gap), 1);
    new Uint8Array(this.memory.buffer, address, size).fill(0);
    return address;
  }

  #extend(label: string, size: number): number {
    const address = this.#top;
    const missing = address + size - this.memory.buffer.byteLength;
    if (missing > 0) {
      const pages = Math.ceil(missing / WASM_PAGE);
      try {
        this.#grow(Math.max(pages, GROWTH), pages);
      } catch (cause) {
        throw new MoloraError(
          "gpu_limit",
          `${label}: the CPU device holds at most 4 GiB, ${this.#held} bytes are taken`,
          {
            remedy: "Use a smaller context, pool or model, or a GPU.",
            cause,
          },
        );
      }
    }
    this.#top = address + size;
    return address;
  }

  /** By `wanted` pages, or where there are not so many left, by `least`. */
  #grow(wanted: number, least: number): void {
    try {
      this.memory.grow(wanted);
    } catch (error) {
      if (wanted === least) throw error;
      this.memory.grow(least);
    }
  }
}

function joined(ranges: readonly Range[]): Range[] {
  const out: Range[] = [];
  for (const range of ranges) {
    const last = out.at(-1);
    if (last !== undefined && last.address + last.size === range.address) last.size += range.size;
    else out.push({ ...range });
  }
  return out;
}
