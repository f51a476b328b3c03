// A Python of a test's own: a virtual environment with pinned packages, made once and kept in molora's cache folder, outside the
// repository. Without Python or a registry the test skips, loudly.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { cacheDirectory } from "../node/cache.ts";

const MINUTE = 60_000;
/** Written last: what has none was cut off while it was made. */
const MARK = "complete";

export interface Ran {
  failed: boolean;
  stdout: string;
  stderr: string;
}

export function run(minutes: number, command: string, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: minutes * MINUTE, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resolve({ failed: error !== null, stdout, stderr }),
    );
  });
}

/**
 * The interpreter of an environment that has what `files` say (pip's requirements, and constraints named `constraints.txt`);
 * undefined, and the test skipped, where there can be none. Another text or another Python makes another environment.
 */
export async function pythonWith(t: TestContext, name: string, files: readonly string[]): Promise<string | undefined> {
  const version = await run(1, "python3", "-c", "import sys; print(sys.version)");
  if (version.failed) {
    t.skip(`there is no python3, so that ${name} was NOT tried: ${version.stderr}`);
    return undefined;
  }
  const hash = createHash("sha256").update(version.stdout);
  for (const file of files) hash.update(readFileSync(file));
  const folder = join(cacheDirectory(), "python", `${name}-${hash.digest("hex").slice(0, 12)}`);
  const interpreter = join(folder, "bin", "python");
  if (existsSync(join(folder, MARK))) return interpreter;
  rmSync(folder, { recursive: true, force: true });
  const made = await run(2, "python3", "-m", "venv", folder);
  if (made.failed) {
    t.skip(`no virtual environment can be made, so that ${name} was NOT tried: ${made.stderr}`);
    return undefined;
  }
  const wanted = files.flatMap((file) => [file.endsWith("constraints.txt") ? "-c" : "-r", file]);
  const installed = await run(
    20,
    interpreter,
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    ...wanted,
  );
  if (!installed.failed) {
    writeFileSync(join(folder, MARK), "");
    return interpreter;
  }
  const unreachable = /No matching distribution|Connection|Temporary failure|Max retries|timed out/i;
  assert.match(installed.stderr, unreachable, installed.stderr);
  t.skip(`pip reaches no registry that has ${name}, so that it was NOT tried: ${installed.stderr}`);
  return undefined;
}
