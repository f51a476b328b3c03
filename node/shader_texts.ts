// The WGSL of this package, read whole before a GPU is opened: what is missing is said then, and an upgrade of the package
// or a want of file descriptors later takes nothing from an engine that runs.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** By URL. */
let texts: Promise<ReadonlyMap<string, string>> | undefined;

/** Reads them all, once. One that cannot be read rejects, and the next call tries again. */
export async function loadShaderTexts(): Promise<ReadonlyMap<string, string>> {
  texts ??= readAll();
  try {
    return await texts;
  } catch (error) {
    texts = undefined;
    throw error;
  }
}

export async function shaderText(url: string): Promise<string> {
  return (await loadShaderTexts()).get(url) ?? readFile(fileURLToPath(url), "utf8");
}

async function readAll(): Promise<ReadonlyMap<string, string>> {
  // From dist/node/ up to the package
  const folder = fileURLToPath(new URL("../../shaders/", import.meta.url));
  const found = new Map<string, string>();
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".wgsl")) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    found.set(pathToFileURL(path).href, await readFile(path, "utf8"));
  }
  return found;
}
