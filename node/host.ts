// Node as the engine's host: Dawn or worker threads for the device, the file system for models.

import { resolve } from "node:path";
import type { Host } from "../engine/host.ts";
import { openNodeDevice } from "./device.ts";
import { openPath } from "./files.ts";
import { openGrammarThread } from "./grammar_thread.ts";

export function nodeHost(): Host {
  return {
    openDevice: openNodeDevice,
    openGrammarThread,
    open: openPath,
    resolve,
  };
}
