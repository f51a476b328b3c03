// Files that are read again when they change: keys and certificates, which others write while a server runs.

import { unwatchFile, watchFile } from "node:fs";

/** Milliseconds between looks. A look is one stat, and also sees files that are put in place by a rename. */
const EACH = 1000;

/** Calls `changed` after any of them was written or put in its place, until what it returns is called. */
export function watchFiles(paths: readonly string[], changed: () => void): () => void {
  const look = (now: { mtimeMs: number; ino: number }, before: { mtimeMs: number; ino: number }) => {
    if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino) changed();
  };
  for (const path of paths) watchFile(path, { interval: EACH, persistent: false }, look);
  return () => {
    for (const path of paths) unwatchFile(path, look);
  };
}
