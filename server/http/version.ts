// Which molora this is: what `/version` says.

import { readFileSync } from "node:fs";

// From dist/server/http/ up to the package
const manifest: { version: string } = JSON.parse(
  readFileSync(new URL("../../../package.json", import.meta.url), "utf8"),
);

export const VERSION = manifest.version;
