// The entry of a grammar thread: compiles schemas, tells which tokens may come next.

import { parentPort } from "node:worker_threads";
import { serveGrammars } from "../engine/sampling/threads/serve.ts";

const port = parentPort!;
port.on(
  "message",
  serveGrammars((answer) => port.postMessage(answer)),
);
