// The setup, then the tests: `npm test [-- PART OF A PATH …]`. Fails where a test fails or none ran.
// Node 20's own runner takes no `**`, so the files are listed here.

import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { ensureDriverIfPossible } from "./driver.mjs";
import { ROOT } from "./say.mjs";
import "./setup.mjs";

const { values, positionals } = parseArgs({ options: { slow: { type: "boolean" } }, allowPositionals: true });

ensureDriverIfPossible();
// Test files run side by side: each process has one core
process.env.MOLORA_THREADS ??= "1";
// Engines of tests run on the CPU unless a test says otherwise
process.env.MOLORA_DEVICE ??= "cpu";
// Kernels misbehave loudly only where Dawn checks them
process.env.MOLORA_VALIDATE ??= "1";
process.chdir(ROOT);

const files = testFiles(join(ROOT, "dist", "test"))
  .filter((path) => path.endsWith(".slow.test.js") === (values.slow ?? false))
  .filter((path) => positionals.length === 0 || positionals.some((part) => relative(ROOT, path).includes(part)));

let ran = 0;
if (files.length > 0) {
  // A file that hangs fails by itself; GPU tests are heavy, so few run side by side
  const results = run({ files, concurrency: 2, timeout: (values.slow ? 60 : 10) * 60_000 });
  results.on("test:pass", count);
  results.on("test:fail", (event) => {
    count(event);
    process.exitCode = 1;
  });
  results.compose(new spec()).pipe(process.stdout);
  await new Promise((resolve) => results.once("end", resolve));
}
if (ran === 0) {
  console.error("no test ran");
  process.exitCode = 1;
}

/** Node reports a file without tests as a test of the file's name: that is none. */
function count({ name }) {
  if (!files.includes(join(ROOT, name)) && !files.includes(name)) ran += 1;
}

function testFiles(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.js"))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
