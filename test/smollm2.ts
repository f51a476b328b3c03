// SmolLM2's file where it is in the cache: `npm run demo` fetches it.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { modelDirectories } from "../node/cache.ts";
import { SMOLLM2 } from "../node/smollm2.ts";

export const SMOLLM2_FILE: string | undefined = modelDirectories()
  .map((directory) => join(directory, SMOLLM2.name))
  .find(existsSync);
