// When the setup installs and when it builds.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

interface Lock {
  packages: Record<string, { version?: string; optional?: boolean; optionalDependencies?: Record<string, string> }>;
}

const at = (name: string) => new URL(`../../../setup/${name}`, import.meta.url).href;
const { outdatedPackages }: { outdatedPackages: (wanted: Lock | null, installed: Lock | null) => string[] } =
  await import(at("dependencies.mjs"));
const { sourcesHash }: { sourcesHash: (root: string) => string } = await import(at("build.mjs"));

test("packages that are missing or of another version are outdated, absent optional ones are not", () => {
  const wanted: Lock = {
    packages: {
      "": { version: "0.1.0" },
      "node_modules/a": { version: "1.0.0" },
      "node_modules/b": { version: "2.0.0" },
      "node_modules/other-platform": { version: "1.0.0", optional: true },
    },
  };
  const installed: Lock = {
    packages: { "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "2.0.0" } },
  };
  assert.deepEqual(outdatedPackages(wanted, installed), []);
  assert.deepEqual(outdatedPackages(wanted, null), ["a", "b"]);
  installed.packages["node_modules/b"].version = "1.9.0";
  assert.deepEqual(outdatedPackages(wanted, installed), ["b"]);
  installed.packages["node_modules/other-platform"] = { version: "0.9.0" };
  assert.deepEqual(outdatedPackages(wanted, installed), ["b", "other-platform"]);
});

test("the lock file has the optional packages of every platform, or npm ci refuses it", () => {
  const { packages }: Lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
  const wanted = Object.values(packages).flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies));
  assert.ok(wanted.length > 0);
  const unlocked = wanted.filter((name) => packages[`node_modules/${name}`] === undefined);
  assert.deepEqual(unlocked, []);
});

test("the sources' hash follows their text and names, not fixtures", () => {
  const root = mkdtempSync(join(tmpdir(), "molora-build-"));
  try {
    writeFileSync(join(root, "tsconfig.json"), JSON.stringify({ include: ["engine", "absent"] }));
    writeFileSync(join(root, "package-lock.json"), "{}");
    mkdirSync(join(root, "engine", "fixtures"), { recursive: true });
    writeFileSync(join(root, "engine", "a.ts"), "export const a = 1;");
    const first = sourcesHash(root);
    assert.equal(sourcesHash(root), first);
    writeFileSync(join(root, "engine", "fixtures", "x.json"), "{}");
    assert.equal(sourcesHash(root), first);
    writeFileSync(join(root, "engine", "a.ts"), "export const a = 2;");
    const second = sourcesHash(root);
    assert.notEqual(second, first);
    rmSync(join(root, "engine", "a.ts"));
    writeFileSync(join(root, "engine", "b.ts"), "export const a = 2;");
    assert.notEqual(sourcesHash(root), second);
  } finally {
    rmSync(root, { recursive: true });
  }
});
