// The entry of a worker thread of the CPU device.

import { workerData } from "node:worker_threads";
import { runThread, type ThreadSetup } from "../engine/cpu/worker.ts";

runThread(workerData as ThreadSetup);
