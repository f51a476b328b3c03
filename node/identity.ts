// What tells the files of a base from all others, without reading them: place, sizes and times of change.

import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { partOf } from "../files/weights/gguf/split.ts";

/** Undefined where there is nothing to read: whoever opens it says why. */
export async function identityOf(path: string): Promise<string | undefined> {
  try {
    const real = await realpath(path);
    const files = (await stat(real)).isDirectory()
      ? (await readdir(real)).map((name) => join(real, name))
      : await partsOf(real);
    return JSON.stringify([real, ...(await Promise.all(files.sort().map(lookOf)))]);
  } catch {
    return undefined;
  }
}

/** A file, with the others of it where it was cut. */
async function partsOf(file: string): Promise<string[]> {
  const part = partOf(basename(file));
  if (part === undefined) return [file];
  const folder = dirname(file);
  const parts = (await readdir(folder)).filter((name) => partOf(name)?.stem === part.stem);
  return parts.map((name) => join(folder, name));
}

/** Links are followed, as a model cache is made of links. What lies in folders of a base is not read. */
async function lookOf(path: string): Promise<string[]> {
  const found = await stat(path, { bigint: true });
  return found.isFile() ? [path, ...[found.size, found.mtimeNs, found.ino, found.dev].map(String)] : [];
}
