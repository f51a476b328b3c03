// The tiny models of the families as GGUF files, written by the package gguf: the numbers are those of the folders.

import { readdirSync } from "node:fs";
import { checkFamily, FAMILY_GGUFS } from "./families.ts";

for (const file of readdirSync(FAMILY_GGUFS)) {
  checkFamily(file.replace(".gguf", ""), ["cpu"], `${FAMILY_GGUFS}/${file}`);
}
