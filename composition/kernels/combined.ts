// Several long lists as one by the float64 kernels: pruned by a limit, signs elected, weighted, divided.

import type { Entries } from "./entries.ts";
import { FIRST_BYTE, type Float64Kernels, giveBack, takeKernels } from "./float64.ts";
import { kthLargest } from "./magnitudes.ts";

/** What becomes of one list: v = before · value where |value| ≥ limit, else 0. */
export interface CombinedTask {
  limit: number;
  before: number;
  /** Factor of v in the sum. */
  after: number;
  /** What v adds to the divisor. */
  share: number;
  /** Changes values before anything else: those of a band, the first of which has this index in the list. */
  edit?: (band: Float64Array, first: number) => void;
}

export interface Combining {
  /** Only v of the sign of Σ v, or of most v, count; a draw is positive. */
  elect: "none" | "total" | "frequency";
  /** By the shares of those that count; where these are nearly zero, nothing is divided. */
  divide: boolean;
  /** Of the result. */
  factor: number;
}

const ELECTIONS: readonly Combining["elect"][] = ["none", "total", "frequency"];
const FACTS = 32;
/** Bins of float64.cpu.ts: magnitudes that share their exponent and four bits of the mantissa. */
const BINS = 32768;
/** Up to so many bytes lists lie in memory as a whole, and are loaded once. */
const WHOLE = 2 ** 26 - 2 ** 17;
/** Bytes of a band of one list where they do not. */
const BAND = 2 ** 20;

/** Lists of one length on their way to become one. To be closed. */
export class Lists {
  readonly #entries: readonly Entries[];
  readonly #kernels: Float64Kernels;
  readonly #counts: number;
  readonly #own: number[] = [];
  readonly #bands: number;
  readonly #stride: number;
  /** Entries of a band; all of them where there is only one. */
  readonly #band: number;
  readonly #loaded = new Set<number>();

  constructor(entries: readonly Entries[]) {
    this.#entries = entries;
    let at = FIRST_BYTE + FACTS * entries.length;
    this.#counts = at;
    at += 4 * BINS + 8;
    for (const { bytes } of entries) {
      this.#own.push(at);
      at += bytes;
    }
    this.#bands = at;
    const { length } = this;
    // Two at a time: an odd end takes one along that is not read.
    const whole = 8 * (length + (length % 2));
    const isWhole = whole * (entries.length + 1) <= WHOLE - at;
    const unit = 2 * Math.max(...entries.map((one) => one.unit));
    this.#band = isWhole ? length : unit * Math.max(1, Math.floor(BAND / (8 * unit)));
    this.#stride = isWhole ? whole : 8 * this.#band;
    this.#kernels = takeKernels(at + this.#stride * (entries.length + 1));
    for (const [t, one] of entries.entries()) one.settle(this.#kernels, this.#own[t]);
  }

  get length(): number {
    return this.#entries[0].count;
  }

  /** The k-th largest magnitude of one list, how many are larger and how many as large. k from 1. */
  kthMagnitude(t: number, k: number): { threshold: number; above: number; equal: number } {
    const kernels = this.#kernels;
    const counts = new Uint32Array(kernels.memory.buffer, this.#counts, BINS + 2);
    counts.fill(0);
    this.#inBands(t, (at, count) => kernels.count_magnitudes(at, count, this.#counts));
    const bin = kernels.bin_of(this.#counts, k, this.#counts + 4 * BINS);
    let above = counts[BINS];
    const inside = new Float64Array(counts[bin]);
    let size = 0;
    this.#inBands(t, (at, count) => {
      const found = kernels.magnitudes_of(at, count, bin, this.#result);
      inside.set(new Float64Array(kernels.memory.buffer, this.#result, found), size);
      size += found;
    });
    const threshold = kthLargest(inside, k - above);
    let equal = 0;
    for (const value of inside) {
      if (value > threshold) above++;
      else if (value === threshold) equal++;
    }
    return { threshold, above, equal };
  }

  /** The last of what is asked: edits stay. */
  combined(tasks: readonly CombinedTask[], { elect, divide, factor }: Combining): Float64Array {
    const { memory, combine } = this.#kernels;
    const out = new Float64Array(this.length);
    const facts = new Float64Array(memory.buffer, FIRST_BYTE, 4 * tasks.length);
    for (const [t, { limit, before, after, share }] of tasks.entries()) facts.set([limit, before, after, share], 4 * t);
    const election = ELECTIONS.indexOf(elect);
    for (let first = 0; first < out.length; first += this.#band) {
      const count = Math.min(this.#band, out.length - first);
      for (const [t, { edit }] of tasks.entries()) {
        const at = this.#load(t, first, count);
        edit?.(new Float64Array(memory.buffer, at, count), first);
      }
      const even = count + (count % 2);
      const [stride, result] = [this.#stride, this.#result];
      combine(this.#bands, stride, tasks.length, even, FIRST_BYTE, election, divide ? 1 : 0, factor, result);
      out.set(new Float64Array(memory.buffer, result, count), first);
    }
    return out;
  }

  close(): void {
    giveBack(this.#kernels);
  }

  get #result(): number {
    return this.#bands + this.#stride * this.#entries.length;
  }

  #inBands(t: number, take: (at: number, count: number) => void): void {
    for (let first = 0; first < this.length; first += this.#band) {
      const count = Math.min(this.#band, this.length - first);
      take(this.#load(t, first, count), count);
    }
  }

  /** Where it lies. */
  #load(t: number, first: number, count: number): number {
    const at = this.#bands + t * this.#stride;
    if (this.#loaded.has(t)) return at;
    this.#entries[t].load(this.#kernels, this.#own[t], at, first, count);
    if (count === this.length) this.#loaded.add(t);
    return at;
  }
}
