// Node as the engine's host: Dawn for the device, the file system for models.
// It knows nothing of what the engine does with them.

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Body } from "../engine/gpu/gpu.ts";
import type { Host } from "../engine/host.ts";
import { openPath } from "./files.ts";
import { openGpuDevice } from "./gpu.ts";
import { openGrammarThread } from "./grammar_thread.ts";

/** `body`: which kernels to build; default: those that suit the device. */
export function nodeHost(options: { body?: Body } = {}): Host {
  return {
    async openGpu() {
      const { device, isSoftware, close } = await openGpuDevice();
      const readText = (url: string) => readFile(fileURLToPath(url), "utf8");
      return { device, isSoftware, readText, close, ...options };
    },
    openGrammarThread,
    open: openPath,
    resolve,
  };
}
