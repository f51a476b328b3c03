#!/usr/bin/env node
// The `molora` command: hands over to the built command line.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const main = new URL("../dist/cli/main.js", import.meta.url);
if (existsSync(fileURLToPath(main))) {
  process.exitCode = await (await import(main.href)).main(process.argv.slice(2));
} else {
  console.error("molora is not built yet. In the checkout run `npm run demo` or `npm run setup`, then this again.");
  process.exitCode = 1;
}
