// The entry of a merging thread: one matrix after another.

import { parentPort } from "node:worker_threads";
import { mergedLora, type PlaceJob } from "../engine/merge_crew.ts";

const port = parentPort!;
port.on("message", (job: PlaceJob) => {
  try {
    const result = mergedLora(job);
    port.postMessage({ result }, [result.delta.a.data.buffer, result.delta.b.data.buffer] as ArrayBuffer[]);
  } catch (error) {
    port.postMessage({ error });
  }
});
