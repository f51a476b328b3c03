// The folders for files that can be fetched or made again: models, compiled shaders.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The folder for files molora may lose: $MOLORA_CACHE, $XDG_CACHE_HOME/molora or ~/.cache/molora.
 * The folder may not exist yet.
 */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  // An empty variable counts as unset, as the XDG base directory specification has it.
  if (env.MOLORA_CACHE) return env.MOLORA_CACHE;
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "molora");
}

/** Why nothing can be kept there, if so. Tried out: permissions alone do not tell (a full or read-only disk, a file in the way). */
export function cacheProblem(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folder = cacheDirectory(env);
  const probe = join(folder, `.probe-${process.pid}`);
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(probe, "");
    rmSync(probe);
    return undefined;
  } catch (error) {
    return `${folder} cannot be written (${(error as NodeJS.ErrnoException).code ?? error})`;
  }
}

/** Where a model file may lie already, best first; the first is where a download goes. */
export function modelDirectories(env: NodeJS.ProcessEnv = process.env): string[] {
  return [join(cacheDirectory(env), "models"), join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "molora-models")];
}
