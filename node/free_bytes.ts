// How much memory this process can still have: of the machine, and of the limit that a container sets it.

import { freemem } from "node:os";

export function freeBytes(): number {
  // 0 or beyond all memory: there is no limit.
  const limit = process.constrainedMemory?.() ?? 0;
  const left = limit > 0 && limit < Number.MAX_SAFE_INTEGER ? limit - process.memoryUsage.rss() : freemem();
  return Math.max(0, Math.min(freemem(), left));
}
