// Makes a fresh checkout ready to run: dependencies and build. A second run only looks.
// It needs nothing but Node and npm.

import { ensureBuild } from "./build.mjs";
import { ensureDependencies } from "./dependencies.mjs";
import { SetupError } from "./say.mjs";

try {
  ensureDependencies();
  ensureBuild();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`setup: ${error.message}`);
  process.exit(1);
}
