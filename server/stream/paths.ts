// Turns a path a client names into one on disk, inside a folder the operator allowed, or refuses.

import { realpath } from "node:fs/promises";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { MoloraError } from "../../proto/errors.ts";

const ADDRESS = /^(?:s3|gs|az|https?):\/\//i;

/**
 * What a client may load: a path as `resolveInside` has it, or an address, which the engine takes where it lies in a source that the
 * operator named.
 */
export async function resolveLoadable(root: string | undefined, path: string, option: string): Promise<string> {
  return ADDRESS.test(path) ? path : resolveInside(root, path, option);
}

/**
 * The real path of `path` inside `root`. `option` is the server option that sets the root, for the remedy.
 * @throws MoloraError `not_permitted` without a root or where the path leads out of it, by "..", as an absolute path or
 * through a symbolic link; `file_not_found`.
 */
export async function resolveInside(root: string | undefined, path: string, option: string): Promise<string> {
  if (root === undefined) {
    throw new MoloraError("not_permitted", "this server loads nothing on behalf of clients", {
      remedy: `Start the server with ${option} set to the folder clients may load from.`,
    });
  }
  // Checked before the disk is touched, so that an answer says nothing of files outside.
  if (isAbsolute(path) || path.includes("\0") || !inside(resolve(root), resolve(root, path))) throw leadsOut(path);
  const [realRoot, target] = await Promise.all([real(root, option), real(resolve(root, path), path)]);
  if (!inside(realRoot, target)) throw leadsOut(path);
  return target;
}

function inside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

async function real(path: string, named: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    throw new MoloraError("file_not_found", `${named} does not exist`, { cause });
  }
}

function leadsOut(path: string): MoloraError {
  return new MoloraError("not_permitted", `${JSON.stringify(path)} leads out of the folder clients may load from`, {
    remedy: "Name a folder inside it, relative to it.",
  });
}
