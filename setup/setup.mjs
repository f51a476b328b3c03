// Makes a fresh checkout ready to run: dependencies, build, a WebGPU adapter. A second run only looks.
// It needs nothing but Node and npm.

import { ensureBuild } from "./build.mjs";
import { ensureDependencies } from "./dependencies.mjs";
import { ensureDriver } from "./driver.mjs";
import { SetupError } from "./say.mjs";

try {
  ensureDependencies();
  ensureBuild();
  ensureDriver();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`setup: ${error.message}`);
  process.exit(1);
}
