// Whether an adapter, a mixture or a recipe goes with a base: all of it is read, no device is opened, and nothing is merged.

import { planMerge } from "../../composition/merge/merge.ts";
import { readRecipe } from "../../composition/recipe/recipe.ts";
import type { Acting } from "../../engine/adapters/one_vocabulary.ts";
import { checkEntries, checkGeneration, checkVocabularies, refuseActivated } from "../../engine/adapters/recipes.ts";
import { ENTRIES } from "../../engine/options.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import { openHeaders } from "../../files/model_files/model_files.ts";
import type { ByteSource } from "../../files/source.ts";
import { resolveLocator } from "../../node/sources/locator.ts";
import { MoloraError } from "../../proto/errors.ts";
import { readMixture } from "../../router/format.ts";
import type { Mixture } from "../../router/mixture.ts";
import { type Kind, type Problem, problem } from "./inspection.ts";
import { type Opened, open } from "./open.ts";

/** What stands in the way; of a recipe part by part. `recipe`: its file, and what paths in it count from. */
export async function fitProblems(
  kind: Exclude<Kind, "base">,
  { from }: Opened,
  model: string,
  recipe: { source: ByteSource; folder: string } | undefined,
): Promise<Problem[]> {
  try {
    const { config } = await openHeaders((await open(model)).from);
    if (recipe !== undefined) return await recipeProblems(recipe, model, config);
    if (kind === "adapter") await loadAdapter("inspected", from, config);
    else if ("list" in from) await readMixture("inspected", from, config);
    return [];
  } catch (error) {
    return [problem(`on ${model}`, MoloraError.from(error))];
  }
}

async function recipeProblems(
  { source, folder }: { source: ByteSource; folder: string },
  model: string,
  config: ModelConfig,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  const { parts } = await readRecipe(source);
  const acting: Acting[] = [];
  let router: Mixture["router"] | undefined;
  const read = async (name: string, path: string, sha256: string | undefined): Promise<Adapter> => {
    const adapter = await loadAdapter(name, (await open(resolveLocator(folder, path))).from, config);
    checkGeneration({ name, sha256 }, adapter.hash);
    return adapter;
  };
  for (const part of parts) {
    try {
      if (part.kind === "stacked") {
        const adapter = await read(part.name, part.adapter, part.sha256);
        refuseActivated("inspected", part, adapter);
        acting.push({ name: part.name, adapter, weight: part.weight });
      } else if (part.kind === "merged") {
        const adapters: Adapter[] = [];
        for (const one of part.adapters) adapters.push(await read(one.name, one.adapter, one.sha256));
        const weights = part.adapters.map(({ weight }) => weight);
        planMerge(adapters, config, { method: part.method, ...part.tuning, weights });
      } else {
        const mixture = await readRouted(part.name, resolveLocator(folder, part.mixture), config);
        checkGeneration(part, mixture.hash);
        router = mixture.router;
      }
    } catch (error) {
      problems.push(problem(`part "${part.name}" on ${model}`, MoloraError.from(error)));
    }
  }
  try {
    checkVocabularies("inspected", acting);
    checkEntries("inspected", parts.filter(({ kind }) => kind !== "routed").length, router, ENTRIES);
  } catch (error) {
    problems.push(problem("recipe", MoloraError.from(error)));
  }
  return problems;
}

/** A mixture, and that its experts' adapters fit. */
async function readRouted(name: string, place: string, config: ModelConfig): Promise<Mixture> {
  const { from } = await open(place);
  if (!("list" in from)) throw new MoloraError("file_not_found", `${place} is a file`);
  const mixture = await readMixture(name, from, config);
  for (const expert of mixture.experts) {
    if (expert.adapter === undefined) continue;
    const adapter = await loadAdapter(expert.name, (await open(resolveLocator(place, expert.adapter))).from, config);
    checkGeneration({ name: expert.name, sha256: expert.sha256 }, adapter.hash);
  }
  return mixture;
}
