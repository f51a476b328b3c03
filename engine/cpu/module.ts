// The compiled kernels: WebAssembly as far as the CPU device uses it (TypeScript knows its types only beside a page's DOM).

import { MoloraError } from "../../proto/errors.ts";

/** A kernel: computes work items [first, end) with the arguments at address `args`. */
export type Body = (args: number, first: number, end: number) => void;

export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
  grow(pages: number): number;
}

/** Opaque; can be handed to other threads. */
export type KernelModule = object;

/** Kernel → its arguments in order, 4 bytes each: what its body declares (setup/build_kernels.mjs). */
export type ArgumentTable = Readonly<Record<string, readonly (readonly [name: string, type: string])[]>>;

interface WebAssemblyApi {
  Memory: new (size: { initial: number; maximum: number; shared: true }) => SharedMemory;
  Instance: new (
    module: KernelModule,
    imports: { env: { memory: SharedMemory } },
  ) => { exports: Readonly<Record<string, Body>> };
  compile(bytes: Uint8Array): Promise<KernelModule>;
  validate(bytes: Uint8Array): boolean;
}

export const WASM_PAGE = 65536;
/** WebAssembly's own end: 4 GiB. */
const MOST_PAGES = 65536;

function api(): WebAssemblyApi {
  return (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
}

/** Whether this engine can compile the module: the one with relaxed SIMD is not for all. */
export function canCompile(bytes: Uint8Array): boolean {
  return api().validate(bytes);
}

/** In other threads: the caller's event loop turns meanwhile. */
export function compileModule(bytes: Uint8Array): Promise<KernelModule> {
  return api().compile(bytes);
}

/** @throws MoloraError `gpu_limit` where the process may not have so much address space */
export function createMemory(pages: number): SharedMemory {
  const { Memory } = api();
  try {
    return new Memory({ initial: pages, maximum: MOST_PAGES, shared: true });
  } catch (cause) {
    throw new MoloraError("gpu_limit", `the CPU device gets no memory: ${(cause as Error).message}`, {
      remedy:
        "Allow the process more address space (ulimit -v unlimited): 4 GiB and what WebAssembly reserves around them.",
      cause,
    });
  }
}

/** The kernels over a memory, for one thread, whose scratch memory begins at `scratch`. */
export function instantiate(
  module: KernelModule,
  memory: SharedMemory,
  scratch: number,
): Readonly<Record<string, Body>> {
  const { Instance } = api();
  const { exports } = new Instance(module, { env: { memory } });
  (exports.setScratch as unknown as (address: number) => void)(scratch);
  return exports;
}
