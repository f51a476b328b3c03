// The folders for files that can be fetched or made again: models, compiled shaders.

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

/** Folders that may hold a model file already, best first. A download goes to the first. */
export function modelDirectories(env: NodeJS.ProcessEnv = process.env): string[] {
  return [join(cacheDirectory(env), "models"), join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "molora-models")];
}
