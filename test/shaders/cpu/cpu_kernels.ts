// The CPU kernels on one thread: a memory to place arrays in, arguments by name, outputs between sentinels.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { SENTINEL } from "../device.ts";

type Schema = Record<string, [name: string, type: "usize" | "i32" | "u32" | "f32"][]>;
type Kernel = (args: number, first: number, end: number) => void;

/** What is used of WebAssembly here; TypeScript knows it only together with a page's DOM. */
interface Memory {
  readonly buffer: ArrayBuffer;
}
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    Memory: new (size: { initial: number; maximum: number; shared: boolean }) => Memory;
    Module: new (bytes: Uint8Array) => object;
    Instance: new (module: object, imports: { env: { memory: Memory } }) => { exports: Record<string, Kernel> };
  };
};

/** The module with relaxed SIMD, and the one for engines without. */
export const BUILDS = ["kernels", "kernels_plain"] as const;
export type Build = (typeof BUILDS)[number];

// Node 20 has relaxed SIMD behind a flag, which holds from the next compilation on.
if (Number.parseInt(process.versions.node, 10) < 22) setFlagsFromString("--experimental-wasm-relaxed-simd");

const at = (name: string) => new URL(`../../../engine/cpu/${name}`, import.meta.url);
const PAGE = 65536;
const SCRATCH_BYTES = 256 << 10;
/** Sentinels on each side of an array. */
const GUARD = 64;

/** Addresses and constants by the names of the kernel's fields. */
export type CpuArguments = Readonly<Record<string, number | boolean | CpuOutput>>;

/** Memory from which arrays are handed out one behind another, and the kernels over it. */
export class CpuKernels {
  readonly memory: Memory;
  readonly #exports: Record<string, Kernel>;
  readonly #schema: Schema;
  #top = 1024;
  #scratch = 0;

  constructor(build: Build = "kernels", megabytes = 16) {
    this.memory = new WebAssembly.Memory({ initial: megabytes * 16, maximum: megabytes * 16, shared: true });
    const module = new WebAssembly.Module(readFileSync(at(`${build}.wasm`)));
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.memory } });
    this.#exports = exports;
    this.#schema = JSON.parse(readFileSync(at("kernels.json"), "utf8")) as Schema;
    this.reset();
  }

  /** Forgets all arrays. Memory is filled with NaNs, which kernels that read what they should not will spread. */
  reset(): void {
    new Uint32Array(this.memory.buffer).fill(SENTINEL);
    this.#scratch = this.#take(SCRATCH_BYTES, true);
    (this.#exports.setScratch as unknown as (address: number) => void)(this.#scratch);
  }

  /** A copy of an array. */
  place(values: ArrayBufferView): number {
    const address = this.#take(values.byteLength);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    new Uint8Array(this.memory.buffer).set(bytes, address);
    return address;
  }

  /** Room for `count` words, sentinels in it unless `initial` is given. */
  output(count: number, initial?: ArrayBufferView): CpuOutput {
    const address = initial === undefined ? this.#take(4 * count) : this.place(initial);
    return new CpuOutput(this.memory, address, count);
  }

  /** The step's four numbers. */
  step(tokens: number, rows: number, entries: number): number {
    return this.place(new Uint32Array([tokens, 0, rows, entries]));
  }

  /** Runs items [0, items), in `parts` ranges, the last first. */
  run(name: string, args: CpuArguments, items: number, parts = 1): void {
    const launch = this.prepare(name, args);
    for (let part = parts - 1; part >= 0; part--) {
      launch(Math.floor((items * part) / parts), Math.floor((items * (part + 1)) / parts));
    }
    const guard = new Uint32Array(this.memory.buffer, this.#scratch + SCRATCH_BYTES, GUARD / 4);
    assert.ok(
      guard.every((word) => word === SENTINEL),
      `${name} wrote past its scratch`,
    );
  }

  /** A kernel with its arguments, for ranges of items. Arguments that are absent: null pointers; constants must be given. */
  prepare(name: string, args: CpuArguments): (first: number, end: number) => void {
    const fields = this.#schema[name];
    const address = this.#take(4 * fields.length);
    const view = new DataView(this.memory.buffer, address);
    for (const [i, [field, type]] of fields.entries()) {
      const given = args[field];
      if (given === undefined) assert.equal(type, "usize", `${name} misses ${field}`);
      const value = given instanceof CpuOutput ? given.address : Number(given ?? 0);
      if (type === "f32") view.setFloat32(4 * i, value, true);
      else view.setUint32(4 * i, value, true);
    }
    const kernel = this.#exports[name];
    return (first, end) => kernel(address, first, end);
  }

  /** Begins at a multiple of 4 that is none of 16 unless `aligned`: nothing may count on more. */
  #take(bytes: number, aligned = false): number {
    if (aligned) this.#top = 1024;
    const address = Math.ceil((this.#top + GUARD) / 16) * 16 + (aligned ? 0 : 4);
    this.#top = address + bytes + GUARD;
    assert.ok(this.#top <= this.memory.buffer.byteLength, `${this.#top / PAGE} pages are needed`);
    return address;
  }
}

/** Words between sentinels. */
export class CpuOutput {
  readonly address: number;
  readonly #memory: Memory;
  readonly #count: number;

  constructor(memory: Memory, address: number, count: number) {
    this.address = address;
    this.#memory = memory;
    this.#count = count;
  }

  /** A copy; asserts that nothing around it was written. */
  read(): Float32Array<ArrayBuffer> {
    const guard = GUARD / 4;
    const words = new Uint32Array(this.#memory.buffer, this.address - GUARD, this.#count + 2 * guard);
    for (let i = 0; i < guard; i++) {
      assert.equal(words[i], SENTINEL, `written ${guard - i} elements before the output`);
      assert.equal(words[guard + this.#count + i], SENTINEL, `written ${i} elements past the output`);
    }
    return new Float32Array(words.slice(guard, guard + this.#count).buffer);
  }

  readWords(): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.read().buffer);
  }
}
