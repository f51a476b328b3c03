// The repository's own source files, as text, for the tests that hold its rules.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface SourceFile {
  /** From the root: "engine/step/batch.ts". */
  path: string;
  text: string;
}

/** The top folders that hold sources. */
export const ROOMS = [
  "bin",
  "browser",
  "cli",
  "composition",
  "docs",
  "engine",
  "examples",
  "files",
  "integrations",
  "node",
  "perf",
  "proto",
  "router",
  "server",
  "setup",
  "shaders",
  "test",
  "training",
] as const;

/** Every file whose name has one of the endings. */
export function sources(...endings: string[]): SourceFile[] {
  const paths = ROOMS.filter((room) => existsSync(room)).flatMap((room) => filesBelow(room));
  const chosen = paths.filter((path) => endings.some((ending) => path.endsWith(ending)));
  return chosen.map((path) => ({ path, text: readFileSync(path, "utf8") }));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return [path];
    return entry.name === "node_modules" ? [] : filesBelow(path);
  });
}

/** Comments and strings; strings are matched so that a `//` inside one is not taken for a comment. */
const TOKENS = /\/\*[\s\S]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;

/** The comments of a TypeScript, JavaScript or WGSL text, delimiters included. */
export function comments(text: string): string[] {
  return [...text.matchAll(TOKENS)].map(([token]) => token).filter((token) => /^\/[/*]/.test(token));
}

export function withoutComments(text: string): string {
  return text.replace(TOKENS, (token) => (/^\/[/*]/.test(token) ? "" : token));
}
