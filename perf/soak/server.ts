// The server under soak, in a process of its own, so that its event loop and memory are its alone. Asked over IPC for what
// it measures; started by soak.ts with the folder that clients may load adapters from.

import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Worker } from "node:worker_threads";
import type { Device } from "../../engine/device/device.ts";
import { Engine } from "../../engine/engine.ts";
import type { DeviceOptions } from "../../engine/host.ts";
import { openCpuDevice, startWorker } from "../../node/cpu.ts";
import { openNodeDevice } from "../../node/device.ts";
import { nodeHost } from "../../node/host.ts";
import { openPreset } from "../../node/presets.ts";
import { serve } from "../../server/http/serve.ts";

export interface Ready {
  type: "ready";
  baseUrl: string;
  url: string;
}

export interface Measured {
  type: "measured";
  /** Milliseconds the event loop was held at most, and at the 99th percentile of its turns, since the last asking. */
  longestBlockMs: number;
  blockP99Ms: number;
  /** Bytes, after a collection. */
  rss: number;
  heapUsed: number;
  external: number;
  /** Sockets, timers, files and workers that are held open. */
  handles: number;
  running: number;
  waiting: number;
  /** Devices that took the place of a lost one. */
  revivals: number;
}

/** Milliseconds between the turns that are timed: what a delay is counted beyond. */
const RESOLUTION = 10;

/** Threads of the device that was opened last, where it is the CPU's. */
let threads: Worker[] = [];

async function openDevice(options: DeviceOptions): Promise<Device> {
  if (process.env.MOLORA_DEVICE === "gpu") return openNodeDevice(options);
  threads = [];
  const start: typeof startWorker = (...setup) => {
    threads.push(startWorker(...setup));
    return threads.at(-1)!;
  };
  const count = Number(process.env.MOLORA_THREADS);
  return openCpuDevice({ start, ...(count > 0 && { threads: count }) });
}

const engine = await Engine.load({ ...nodeHost(), openDevice }, await openPreset("nano"));
const server = await serve(engine, { admin: true, adapterRoot: process.argv[2] });
const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
delay.enable();

function measure(): Measured {
  const [longest, p99] = [delay.max, delay.percentile(99)].map((ns) => Math.max(0, ns / 1e6 - RESOLUTION));
  // The collection blocks too, but is the measurement's own.
  globalThis.gc?.();
  delay.reset();
  const { rss, heapUsed, external } = process.memoryUsage();
  const { running, waiting } = engine.stats();
  const handles = process.getActiveResourcesInfo().length;
  return {
    type: "measured",
    longestBlockMs: longest,
    blockP99Ms: p99,
    rss,
    heapUsed,
    external,
    handles,
    running,
    waiting,
    revivals: engine.counters.revivals,
  };
}

process.on("message", async (asked) => {
  if (asked === "measure") process.send?.(measure());
  if (asked === "lose") void threads[0]?.terminate();
  if (asked !== "end") return;
  await server.close();
  await engine.close();
  process.disconnect();
});
// Whoever asked may have died.
process.once("disconnect", () => process.exit());
process.send?.({ type: "ready", baseUrl: server.baseUrl, url: server.url } satisfies Ready);
