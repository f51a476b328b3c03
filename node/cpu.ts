// The CPU device in Node: the compiled kernels from the package, worker threads, the cores this process may use.

import { readFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { CpuDevice } from "../engine/cpu/cpu_device.ts";
import type { StartThread } from "../engine/cpu/crew.ts";
import { type ArgumentTable, canCompile, compileModule, type KernelModule } from "../engine/cpu/module.ts";
import type { ThreadSetup } from "../engine/cpu/worker.ts";

const KERNELS = new URL("../engine/cpu/", import.meta.url);
const THREAD = new URL("./cpu_thread.js", import.meta.url);

interface Kernels {
  module: KernelModule;
  table: ArgumentTable;
  /** Whether it is the build with relaxed SIMD. */
  relaxed: boolean;
}

let loaded: Promise<Kernels> | undefined;

export interface CpuDeviceOptions {
  /** Default: the cores this process may use. */
  threads?: number;
  /** Starts each of them; default, as a worker. */
  start?: StartThread;
}

export async function openCpuDevice({ threads, start = startWorker }: CpuDeviceOptions = {}): Promise<CpuDevice> {
  loaded ??= loadKernels();
  const { module, table } = await loaded;
  const cores = availableParallelism();
  const count = threads ?? cores;
  const description = `${processorName()}, ${count} thread${count === 1 ? "" : "s"}`;
  return new CpuDevice({ description, module, table, threads: count, cores, start });
}

/** The facts of the CPU device, as `doctor` prints them. */
export interface CpuFacts {
  processor: string;
  /** Threads that a device has where no other number is asked for: the cores this process may use. */
  threads: number;
  /** Whether its kernels are the build with relaxed SIMD; else the plain one, which takes more instructions. */
  relaxedSimd: boolean;
}

export async function describeCpu(): Promise<CpuFacts> {
  loaded ??= loadKernels();
  const { relaxed } = await loaded;
  return { processor: processorName(), threads: availableParallelism(), relaxedSimd: relaxed };
}

function processorName(): string {
  return cpus()[0]?.model.trim() || "CPU";
}

export function startWorker(setup: ThreadSetup, onEnd: (reason: string) => void): Worker {
  const worker = new Worker(THREAD, { workerData: setup });
  worker.once("error", (error) => onEnd(String(error)));
  worker.once("exit", (code) => onEnd(`exit code ${code}`));
  return worker;
}

async function loadKernels(): Promise<Kernels> {
  const table = JSON.parse(await readFile(new URL("kernels.json", KERNELS), "utf8")) as ArgumentTable;
  const relaxed = await readFile(new URL("kernels.wasm", KERNELS));
  return { ...(await compile(relaxed)), table };
}

/**
 * Node 20 has relaxed SIMD behind a flag that holds from the next compilation on, and its baseline compiler (V8 11.3) lets
 * a temporary of the relaxed dot product overwrite the sum: there all of the module is compiled at once, by the optimising
 * compiler alone, and then the flags are as they were.
 */
const COMPILING = ["--experimental-wasm-relaxed-simd", "--no-liftoff", "--no-wasm-lazy-compilation"];
const COMPILED = ["--liftoff", "--wasm-lazy-compilation"];

async function compile(relaxed: Uint8Array): Promise<Pick<Kernels, "module" | "relaxed">> {
  const flagged = Number.parseInt(process.versions.node, 10) < 22;
  if (flagged) for (const flag of COMPILING) setFlagsFromString(flag);
  try {
    if (canCompile(relaxed)) return { module: await compileModule(relaxed), relaxed: true };
    return { module: await compileModule(await readFile(new URL("kernels_plain.wasm", KERNELS))), relaxed: false };
  } finally {
    if (flagged) for (const flag of COMPILED) setFlagsFromString(flag);
  }
}
