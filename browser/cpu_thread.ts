// The entry of a worker thread of the CPU device in a page.

import { runThread, type ThreadSetup } from "../engine/cpu/worker.ts";

const scope = globalThis as unknown as { onmessage: (event: { data: ThreadSetup }) => void };

scope.onmessage = ({ data }) => runThread(data);
