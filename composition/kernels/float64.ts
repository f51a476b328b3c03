// The module of float64 kernels at work: an instance with a memory that its user lays out. It knows no matrix.

import { FLOAT64_WASM } from "./float64_wasm.ts";

export interface Float64Kernels {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  /** float64.cpu.ts and decompositions.cpu.ts document them. */
  product(
    a: number,
    am: number,
    ak: number,
    b: number,
    c: number,
    m: number,
    n: number,
    k: number,
    fresh: number,
  ): void;
  count_magnitudes(x: number, n: number, counts: number): void;
  bin_of(counts: number, k: number, above: number): number;
  magnitudes_of(x: number, n: number, bin: number, out: number): number;
  combine(
    tasks: number,
    stride: number,
    count: number,
    n: number,
    facts: number,
    elect: number,
    divide: number,
    factor: number,
    out: number,
  ): void;
  householder_qr(columns: number, rows: number, cols: number, v: number, q: number): void;
  tridiagonal(a: number, n: number, v: number, p: number, diagonal: number, beside: number): void;
  turns(v: number, n: number, q: number): void;
  ql(diagonal: number, beside: number, n: number, rows: number, width: number, least: number): number;
}

/** Where a user's part of the memory begins: what lies before is the module's own. */
export const FIRST_BYTE = 1024;
const PAGE = 65536;
/** An instance whose memory is larger is not kept for the next user. */
const KEPT = 2 ** 26;

/** WebAssembly as far as it is used here: TypeScript knows its types only beside a page's DOM. */
interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: unknown };
}

/** Byte ranges behind each other from FIRST_BYTE on, for so many numbers each. */
export function places(counts: readonly number[]): { at: number; end: number }[] {
  let at = FIRST_BYTE;
  return counts.map((count) => {
    const place = { at, end: at + 8 * count };
    at = place.end;
    return place;
  });
}

let compiled: object | undefined;
const idle: Float64Kernels[] = [];

/** Runs `use` with at least `bytes` of memory from FIRST_BYTE on, which hold anything. */
export function withKernels<T>(bytes: number, use: (kernels: Float64Kernels) => T): T {
  const kernels = takeKernels(bytes);
  try {
    return use(kernels);
  } finally {
    giveBack(kernels);
  }
}

/** As `withKernels`, for longer: until `giveBack`. @throws RangeError where there is not so much memory */
export function takeKernels(bytes: number): Float64Kernels {
  const kernels = idle.pop() ?? instance();
  growKernels(kernels, FIRST_BYTE + bytes);
  return kernels;
}

/** Up to this byte at least. What the memory holds stays; views of it end. @throws RangeError as `takeKernels` */
export function growKernels({ memory }: Float64Kernels, end: number): void {
  const missing = Math.ceil((end - memory.buffer.byteLength) / PAGE);
  if (missing > 0) memory.grow(missing);
}

export function giveBack(kernels: Float64Kernels): void {
  if (kernels.memory.buffer.byteLength <= KEPT) idle.push(kernels);
}

function instance(): Float64Kernels {
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
  compiled ??= new Module(Uint8Array.from(atob(FLOAT64_WASM), (byte) => byte.charCodeAt(0)));
  return new Instance(compiled).exports as Float64Kernels;
}
