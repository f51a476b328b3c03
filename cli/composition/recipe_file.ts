// A new recipe.json out of what the flags name: adapters that become one, adapters that are stacked, and a mixture. Each is read
// first, so that the file states its generation.

import { dirname, relative, resolve, sep } from "node:path";
import { settleTuning } from "../../composition/merge/options.ts";
import type { MergedPart, RecipeAdapter, RecipePart } from "../../composition/recipe/recipe.ts";
import type { Host } from "../../engine/host.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import { BASE_NAME, checkName } from "../../files/lora/names.ts";
import { isRemote } from "../../node/sources/locator.ts";
import { MoloraError } from "../../proto/errors.ts";
import { loadMixtureFolder } from "../../training/frozen/load.ts";
import type { NamedPath } from "../flags/flags.ts";
import type { WeightedPath } from "../flags/weighted_adapters.ts";

export interface RecipeFlags {
  /** Adapters that become one part. */
  merge: readonly WeightedPath[];
  merged: { name: string; weight: number; method: MergedPart["method"]; tuning: MergedPart["tuning"] };
  adapter: readonly WeightedPath[];
  mixture: readonly NamedPath[];
}

/** Paths count from the folder of `out`. @throws MoloraError `bad_arguments`, and what reading an adapter or a mixture throws */
export async function recipeParts(
  { merge, merged, adapter, mixture }: RecipeFlags,
  out: string,
  host: Host,
  config: ModelConfig,
): Promise<RecipePart[]> {
  const named = async ({ name, path }: NamedPath): Promise<RecipeAdapter> => {
    checkPart(name);
    const { hash } = await loadAdapter(name, await host.open(path), config);
    return { name, adapter: pathFrom(out, path), sha256: hash };
  };
  const parts: RecipePart[] = [];
  if (merge.length > 0) {
    checkPart(merged.name);
    settleTuning(merged.method, merged.tuning);
    const adapters: MergedPart["adapters"][number][] = [];
    for (const one of merge) adapters.push({ ...(await named(one)), weight: one.weight ?? 1 });
    parts.push({ kind: "merged", ...merged, adapters });
  }
  for (const one of adapter) parts.push({ kind: "stacked", ...(await named(one)), weight: one.weight ?? 1 });
  for (const { name, path } of mixture) {
    checkPart(name);
    const { mixture: read } = await loadMixtureFolder(host, name, path, config);
    parts.push({ kind: "routed", name, mixture: pathFrom(out, path), sha256: read.hash });
  }
  checkParts(parts);
  return parts;
}

function checkPart(name: string): void {
  checkName("a part", name, "bad_arguments");
  if (name === BASE_NAME) throw new MoloraError("bad_arguments", `"${BASE_NAME}" always means the base model`);
}

function checkParts(parts: readonly RecipePart[]): void {
  if (parts.length === 0) {
    throw new MoloraError("bad_arguments", "the recipe has no part", {
      remedy: "Give --merge a=PATH:WEIGHT, --adapter b=PATH:WEIGHT or --mixture c=DIR.",
    });
  }
  const names = parts.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new MoloraError("bad_arguments", `two parts are named "${twice}"`);
  if (parts.filter(({ kind }) => kind === "routed").length > 1) {
    throw new MoloraError("bad_arguments", "--mixture is given more than once: a token has one router");
  }
}

function pathFrom(out: string, path: string): string {
  return isRemote(path)
    ? path
    : relative(dirname(resolve(out)), resolve(path))
        .split(sep)
        .join("/");
}
