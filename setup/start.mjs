// `node setup/start.mjs COMMAND …`: the setup, then `molora COMMAND …` in the same process, so that signals reach it.

import "./setup.mjs";

await import("../bin/molora.mjs");
