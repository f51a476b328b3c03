// `npm run docs:support` renews the README's table of what is verified: from the tests' fixtures, as built.

import { readFileSync, writeFileSync } from "node:fs";
import { supportTable } from "../dist/test/support.js";

const readme = readFileSync("README.md", "utf8");
const marks = /(<!-- support.*?-->\n\n).*?(\n\n<!-- \/support -->)/s;
if (!marks.test(readme)) throw new Error("README.md has no marks for the table");
writeFileSync(
  "README.md",
  readme.replace(marks, (_, before, after) => before + supportTable() + after),
);
