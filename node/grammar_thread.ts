// Threads for grammars: Node's workers, held to a heap of their own so that none takes the server's memory.

import { Worker } from "node:worker_threads";
import type { Answer, GrammarThread, Order, ThreadEvents } from "../engine/sampling/threads/orders.ts";

const HEAP_MB = 512;

/** A thread keeps the process alive only while an order is under way. */
export function openGrammarThread(events: ThreadEvents): GrammarThread {
  const worker = new Worker(new URL("./grammar_worker.js", import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: 64 },
    // Neither the process's flags nor its standard input are its business.
    execArgv: [],
    stdin: false,
  });
  let underWay = 0;
  worker.unref();
  worker.on("message", (answer: Answer) => {
    if (answer.kind !== "ready" && --underWay === 0) worker.unref();
    events.answer(answer);
  });
  worker.on("error", (error) => events.lost(error.message));
  worker.on("exit", (code) => events.lost(`it exited with ${code}`));
  return {
    post(order: Order) {
      if (underWay++ === 0) worker.ref();
      worker.postMessage(order);
    },
    end() {
      worker.terminate();
    },
  };
}
