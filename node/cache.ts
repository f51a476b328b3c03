// Where molora keeps what can be fetched or made again: models, compiled shaders.
// It knows nothing of what the files are or where they come from.

import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The folder for files molora may lose: $MOLORA_CACHE, $XDG_CACHE_HOME/molora or ~/.cache/molora.
 * It is named here, not made.
 */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  // An empty variable counts as unset, as the XDG base directory specification has it.
  if (env.MOLORA_CACHE) return env.MOLORA_CACHE;
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "molora");
}

/** Where a model file may lie already, best first; the first is where a download goes. */
export function modelDirectories(env: NodeJS.ProcessEnv = process.env): string[] {
  return [join(cacheDirectory(env), "models"), join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "molora-models")];
}
