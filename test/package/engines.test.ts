// What users install with the package runs on every Node that package.json admits; held to by npm itself on the Node at hand,
// and by each dependency's own words for the lowest one.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

interface Locked {
  version?: string;
  dev?: boolean;
  engines?: { node?: string };
}

test("no dependency asks for a newer Node than the package", async () => {
  const { engines } = JSON.parse(await readFile("package.json", "utf8")) as { engines: { node: string } };
  const lowest = Number(/^>=(\d+)$/.exec(engines.node)?.[1]);
  const lock = JSON.parse(await readFile("package-lock.json", "utf8")) as { packages: Record<string, Locked> };
  const installed = Object.entries(lock.packages).filter(([path, { dev }]) => path !== "" && dev !== true);
  assert.ok(installed.length > 10);
  for (const [path, { version, engines: asked }] of installed) {
    assert.ok(lowestMajor(asked?.node ?? "*") <= lowest, `${path} ${version} asks for Node ${asked?.node}`);
  }
});

test("the lowest major of a range", () => {
  const ranges: [string, number][] = [
    ["*", 0],
    [">=18", 18],
    [">= 22.0.0", 22],
    ["^20.19.0 || >=22.12.0", 20],
    ["12 || 14", 12],
    ["6.* || 8.* || >= 10.*", 6],
  ];
  for (const [range, major] of ranges) assert.equal(lowestMajor(range), major, range);
});

test("npm, held to engines, takes the locked dependencies", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "molora-engines-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const name of ["package.json", "package-lock.json"]) await copyFile(name, join(folder, name));
  // A dry run reads engines from the lock file, and needs no registry.
  const args = ["ci", "--engine-strict", "--omit=dev", "--dry-run", "--offline", "--ignore-scripts"];
  const stderr = await new Promise<string>((resolve) => {
    execFile("npm", args, { cwd: folder, timeout: 60_000 }, (error, _, stderr) =>
      resolve(error === null ? "" : stderr),
    );
  });
  assert.equal(stderr, "");
});

function lowestMajor(range: string): number {
  const majors = range.split("||").map((part) => Number(/\d+/.exec(part)?.[0] ?? 0));
  return Math.min(...majors);
}
