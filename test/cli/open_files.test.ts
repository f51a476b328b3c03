// Sockets against the files a process may have open: in numbers, and in a process that really has a low limit.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { fitSockets, mostOpenFiles } from "../../cli/open_files.ts";
import { raises } from "../raises.ts";

test("what fits is served; more is refused where it was asked for, and cut with a warning where it was not", async () => {
  assert.deepEqual(fitSockets(20_000, undefined, 1024), { maxSockets: 1024 });
  assert.deepEqual(fitSockets(undefined, 5000, 1024), { maxSockets: 5000 });
  assert.deepEqual(fitSockets(1088, undefined, 1024), { maxSockets: 1024 });
  const { maxSockets, warning } = fitSockets(256, undefined, 1024);
  assert.equal(maxSockets, 192);
  assert.match(warning ?? "", /256 files.*192 are served.*ulimit -n 1088/);
  await raises("bad_arguments", /256 files open, and 500 sockets need 564/, () => fitSockets(256, 500, 1024));
  await raises("bad_arguments", /40 files/, () => fitSockets(40, undefined, 1024));
});

test("the limit is read from the system", { skip: process.platform !== "linux" }, async () => {
  const own = await mostOpenFiles();
  assert.ok(own !== undefined && own > 0);
  const told = await promisify(execFile)("bash", [
    "-c",
    `ulimit -n 256 && "$0" --input-type=module -e 'import { mostOpenFiles } from "./dist/cli/open_files.js"; console.log(await mostOpenFiles())'`,
    process.execPath,
  ]);
  assert.equal(told.stdout.trim(), "256");
});
