// Threads for merging: Node's workers, each with one matrix at a time. What a merge is they do not know.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { MergeCrew, PlaceJob, PlaceResult } from "../engine/merge_crew.ts";
import { threadsOfEnvironment } from "./threads.ts";

const ENTRY = new URL("./merge_worker.js", import.meta.url);
/** More threads wait for memory, not for each other's results. */
const MOST = 8;

type Answer = { result: PlaceResult } | { error: unknown };

/** @param threads default: what the environment says, else the cores that this process may use, up to eight */
export function openMergeCrew(threads = threadsOfEnvironment() ?? Math.min(MOST, availableParallelism())): MergeCrew {
  // Neither the process's flags nor its standard input are their business.
  const workers = Array.from({ length: threads }, () => new Worker(ENTRY, { execArgv: [], stdin: false }));
  const idle = [...workers];
  const waiting: ((worker: Worker) => void)[] = [];
  const free = (worker: Worker) => {
    const next = waiting.shift();
    if (next === undefined) idle.push(worker);
    else next(worker);
  };
  return {
    width: threads,
    async run(job) {
      const worker = idle.pop() ?? (await new Promise<Worker>((resolve) => waiting.push(resolve)));
      try {
        return await answered(worker, job);
      } finally {
        free(worker);
      }
    },
    close() {
      for (const worker of workers) worker.terminate();
    },
  };
}

function answered(worker: Worker, job: PlaceJob): Promise<PlaceResult> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      worker.off("message", onMessage).off("error", onError).off("exit", onExit);
      act();
    };
    const onMessage = (answer: Answer) =>
      settle(() => ("result" in answer ? resolve(answer.result) : reject(answer.error)));
    const onError = (error: Error) => settle(() => reject(error));
    const onExit = (code: number) => settle(() => reject(new Error(`a merging thread ended with ${code}`)));
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
    const { job: own, buffers } = ownArrays(job);
    worker.postMessage(own, buffers);
  });
}

/** Factors may be views of a whole file, which would be copied along: each gets a buffer that is handed over. */
function ownArrays(job: PlaceJob): { job: PlaceJob; buffers: ArrayBuffer[] } {
  const loras = job.task.loras.map((lora) => ({ ...lora, a: lora.a.slice(), b: lora.b.slice() }));
  const place = { ...job.task.place, loras: [] };
  return {
    job: { ...job, task: { ...job.task, loras, place } },
    buffers: loras.flatMap(({ a, b }) => [a.buffer, b.buffer] as ArrayBuffer[]),
  };
}
