// `--adapter name=PATH[:WEIGHT]`: adapters and how much of each.

import type { Flag } from "./arguments.ts";
import { type NamedPath, namedPaths } from "./flags.ts";

export interface WeightedPath extends NamedPath {
  /** Undefined where none was given. */
  weight: number | undefined;
}

/** A path that itself ends in a colon and a number is written with a weight behind it. */
export function weightedAdapters(summary: string): Flag<WeightedPath[]> {
  const plain = namedPaths("name=PATH[:WEIGHT]", summary);
  return { ...plain, read: (texts) => plain.read(texts).map(weighted) };
}

function weighted({ name, path }: NamedPath): WeightedPath {
  const [, rest, text] = /^(.+):([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i.exec(path) ?? [];
  return rest === undefined ? { name, path, weight: undefined } : { name, path: rest, weight: Number(text) };
}
