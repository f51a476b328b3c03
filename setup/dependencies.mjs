// Installs the npm packages that package-lock.json names, when they are not there already.

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ROOT, runShown, SetupError, say, seconds } from "./say.mjs";

export function ensureDependencies() {
  const wanted = readJson(join(ROOT, "package-lock.json"));
  // npm writes this list of what it installed as its last act: an interrupted installation has none
  const installed = readJson(join(ROOT, "node_modules", ".package-lock.json"));
  const outdated = outdatedPackages(wanted, installed);
  if (outdated.length === 0) return;
  say(installed === null ? "installing dependencies (npm ci)…" : `dependencies changed (${outdated[0]}…): npm ci…`);
  const start = performance.now();
  // The build needs the development packages even where NODE_ENV=production
  // npm's warnings are of packages that only tests use, and would be the first screen a person sees
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  const code =
    npm !== undefined && basename(npm) === "npm-cli.js"
      ? runShown(process.execPath, [npm, ...args])
      : runShown("npm", args);
  if (code !== 0) {
    throw new SetupError(`npm ci failed (exit ${code}). Check the network and npm's registry, then run this again.`);
  }
  say(`dependencies installed in ${seconds(start)}`);
}

/** Paths of the packages whose version differs from the lock file's. Optional ones (other platforms) may be absent. */
export function outdatedPackages(wanted, installed) {
  return Object.entries(wanted?.packages ?? {})
    .filter(([path, { version, optional }]) => {
      const found = installed?.packages?.[path]?.version;
      return path !== "" && found !== version && !(optional && found === undefined);
    })
    .map(([path]) => path.replace(/^node_modules\//, ""));
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}
