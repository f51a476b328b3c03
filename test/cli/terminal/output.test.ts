// Output that cannot be written: each command says so in one line and exits with 1, without a stack.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync } from "node:fs";
import { text } from "node:stream/consumers";
import { test } from "node:test";

const COMMANDS = [["--help"], ["--version"], ["generate", "--help"], ["nonsense", "--json"]];

for (const args of COMMANDS) {
  test(`molora ${args.join(" ")}: a full disk is named`, async (t) => {
    if (!existsSync("/dev/full")) return t.skip("this system has no /dev/full");
    const child = spawn(process.execPath, ["bin/molora.mjs", ...args], {
      stdio: ["ignore", openSync("/dev/full", "w"), "pipe"],
    });
    const [stderr, [code]] = await Promise.all([text(child.stderr!), once(child, "close")]);
    assert.equal(code, args[0] === "nonsense" ? 2 : 1);
    assert.match(stderr, /error\[output_failed\]: standard output cannot be written: the disk is full \(ENOSPC\)/);
    assert.match(stderr, /remedy: /);
    assert.doesNotMatch(stderr, / at /);
  });

  test(`molora ${args.join(" ")}: a closed pipe is named`, async () => {
    // The reader closes its end before anything can have been written
    const child = spawn("sh", ["-c", `sleep 0.3; exec "$0" "$@"`, process.execPath, "bin/molora.mjs", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout!.destroy();
    const [stderr, [code]] = await Promise.all([text(child.stderr!), once(child, "close")]);
    assert.equal(code, args[0] === "nonsense" ? 2 : 1);
    assert.match(stderr, /error\[output_failed\]: standard output cannot be written: its reader is gone \(EPIPE\)/);
    assert.doesNotMatch(stderr, / at /);
  });
}
