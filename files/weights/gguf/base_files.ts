// Which GGUF files of a folder can be its base, by their names. It does not know what is in them.

import { partOf } from "./split.ts";

/** How llama.cpp's tools name the file of a model's eyes and ears, which lies beside its language model. */
const PROJECTOR = /(^|[-_.])mmproj([-_.]|$)/i;

/**
 * The files to choose from, each as the first of its parts; projectors are none of them, unless there is nothing else.
 * `projectors`: those that were left out.
 */
export function ggufBases(names: readonly string[]): { bases: string[]; projectors: string[] } {
  const first = names.filter((name) => name.endsWith(".gguf") && (partOf(name)?.number ?? 1) === 1).sort();
  const isProjector = (name: string) => PROJECTOR.test(name.slice(name.lastIndexOf("/") + 1));
  const bases = first.filter((name) => !isProjector(name));
  return bases.length === 0 ? { bases: first, projectors: [] } : { bases, projectors: first.filter(isProjector) };
}
