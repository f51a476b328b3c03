// Compiles the TypeScript sources into dist/ when their text differs from what dist/ was made of.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureKernels } from "./build_kernels.mjs";
import { ROOT, runShown, SetupError, say, seconds } from "./say.mjs";

const DIST = join(ROOT, "dist");
const STAMP = join(DIST, ".sources");

export function ensureBuild() {
  const sources = sourcesHash(ROOT);
  if (readOr(STAMP, "") === sources) return;
  say("building…");
  const start = performance.now();
  // What a removed source left behind must not be tested or run
  rmSync(DIST, { recursive: true, force: true });
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const code = runShown(process.execPath, [tsc, "-p", "tsconfig.json"]);
  if (code !== 0) throw new SetupError(`the build failed (tsc exit ${code}); its messages stand above.`);
  ensureKernels();
  writeFileSync(STAMP, sources);
  say(`built in ${seconds(start)}`);
}

/** SHA-256 over the path and text of everything the compiler reads: sources, configuration, locked versions. */
export function sourcesHash(root) {
  const hash = createHash("sha256");
  const { include } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8"));
  const files = include.flatMap((folder) => typescriptFiles(root, folder));
  for (const path of ["tsconfig.json", "package-lock.json", ...files.sort()]) {
    const text = readFileSync(join(root, path));
    hash.update(`${path}\0${text.length}\0`).update(text);
  }
  return hash.digest("hex");
}

function typescriptFiles(root, folder) {
  let entries;
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return typescriptFiles(root, path);
    return /\.(ts|json)$/.test(entry.name) && entry.isFile() && !path.includes("/fixtures/") ? [path] : [];
  });
}

function readOr(path, fallback) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return fallback;
  }
}
