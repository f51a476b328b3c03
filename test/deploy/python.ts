// Pythons with packages for what deploy/ has in Python: one that the caller has, or one made for the test.

import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/**
 * A Python with the packages of a requirements file: `given`, the value of a variable, else a new environment that ends
 * with the test. Undefined, and the test skipped, where that cannot be made.
 */
export async function pythonWith(
  t: TestContext,
  given: string | undefined,
  requirements: string,
): Promise<string | undefined> {
  if (given) return given;
  const folder = await mkdtemp(join(tmpdir(), "molora-python-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  try {
    execFileSync("python3", ["-m", "venv", folder], { stdio: "pipe" });
    const python = join(folder, "bin", "python");
    execFileSync(python, ["-m", "pip", "install", "--quiet", "-r", requirements], { stdio: "pipe" });
    return python;
  } catch (error) {
    t.skip(`no Python with ${requirements} could be made: ${String(error).slice(0, 300)}`);
    return undefined;
  }
}
