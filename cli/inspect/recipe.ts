// Inspects a recipe: its parts, what they are made of and how large that is, and what a recipe does not take. Nothing is merged.

import { type Recipe, type RecipePart, readRecipe } from "../../composition/recipe/recipe.ts";
import { BASE_NAME } from "../../files/lora/names.ts";
import type { ByteSource } from "../../files/source.ts";
import { resolveLocator } from "../../node/sources/locator.ts";
import { MoloraError } from "../../proto/errors.ts";
import { inspectAdapter } from "./adapter.ts";
import { type AdapterFacts, type Problem, problem, type RecipeFacts, type RecipeSource } from "./inspection.ts";
import { inspectMixture } from "./mixture.ts";
import { bytesOf, filesOf, open } from "./open.ts";

/** `folder`: what paths in it count from. */
export async function inspectRecipe(
  source: ByteSource,
  folder: string,
): Promise<{ facts: RecipeFacts | null; problems: Problem[] }> {
  let recipe: Recipe;
  try {
    recipe = await readRecipe(source);
  } catch (error) {
    return { facts: null, problems: [problem("recipe", MoloraError.from(error))] };
  }
  const problems: Problem[] = [];
  const parts: RecipeFacts["parts"] = [];
  for (const part of recipe.parts) {
    const { of, found } = await inspectPart(part, folder);
    problems.push(...found.map((one) => ({ ...one, part: `part "${part.name}", ${one.part}` })));
    parts.push({
      name: part.name,
      kind: part.kind,
      weight: part.kind === "routed" ? null : part.weight,
      method: part.kind === "merged" ? part.method : null,
      of,
    });
  }
  return { facts: { parts }, problems };
}

interface InspectedPart {
  of: RecipeSource[];
  found: Problem[];
}

async function inspectPart(part: RecipePart, folder: string): Promise<InspectedPart> {
  if (part.kind === "routed") return inspectRouted(part.name, part.mixture, part.sha256, folder);
  const adapters = part.kind === "stacked" ? [{ ...part, weight: null }] : part.adapters;
  const inspected: InspectedPart = { of: [], found: [] };
  for (const { name, adapter, sha256, weight } of adapters) {
    const { bytes, facts, problems } = await inspectNamed(resolveIn(folder, adapter), inspectAdapter);
    inspected.of.push({ name, path: adapter, weight, bytes, sha256: sha256 ?? null });
    inspected.found.push(...problems.map((one) => ({ ...one, part: `adapter "${name}"` })));
    if (facts !== null) inspected.found.push(...refusalsOf(part.kind, name, facts));
  }
  return inspected;
}

async function inspectRouted(
  name: string,
  mixture: string,
  sha256: string | undefined,
  folder: string,
): Promise<InspectedPart> {
  const place = resolveIn(folder, mixture);
  const { bytes, facts, problems } = await inspectNamed(place, async (from) =>
    "list" in from ? inspectMixture(from) : { facts: null, problems: [notFolder(mixture)] },
  );
  const of: RecipeSource[] = [{ name, path: mixture, weight: null, bytes, sha256: sha256 ?? null }];
  const found = problems.map((one) => ({ ...one, part: "mixture" }));
  for (const expert of facts?.experts ?? []) {
    if (expert.adapter === null) {
      // The base, or an adapter that the engine has under this name.
      if (expert.name !== BASE_NAME)
        of.push({ name: expert.name, path: null, weight: null, bytes: null, sha256: null });
      continue;
    }
    const inspected = await inspectNamed(resolveIn(place.path, expert.adapter), inspectAdapter);
    of.push({ name: expert.name, path: expert.adapter, weight: null, bytes: inspected.bytes, sha256: null });
    found.push(...inspected.problems.map((one) => ({ ...one, part: `expert "${expert.name}"` })));
  }
  return { of, found };
}

type Place = { path: string; error?: undefined } | { path: string; error: MoloraError };

/** A path that leads out of a hub's repository is told like one that leads nowhere. */
function resolveIn(folder: string, path: string): Place {
  try {
    return { path: resolveLocator(folder, path) };
  } catch (error) {
    return { path, error: MoloraError.from(error) };
  }
}

async function inspectNamed<Facts>(
  { path, error }: Place,
  look: (from: Awaited<ReturnType<typeof open>>["from"]) => Promise<{ facts: Facts | null; problems: Problem[] }>,
): Promise<{ bytes: number | null; facts: Facts | null; problems: Problem[] }> {
  try {
    if (error !== undefined) throw error;
    const opened = await open(path);
    return { bytes: bytesOf(await filesOf(opened)), ...(await look(opened.from)) };
  } catch (caught) {
    return { bytes: null, facts: null, problems: [problem("files", MoloraError.from(caught))] };
  }
}

function notFolder(path: string): Problem {
  const error = new MoloraError("file_not_found", `${path} is a file`, { remedy: "Name the mixture's folder." });
  return problem("mixture", error);
}

/** What shows without a base. */
function refusalsOf(kind: "stacked" | "merged", name: string, facts: AdapterFacts): Problem[] {
  const refused = (what: string, remedy: string): Problem[] => [
    { part: `adapter "${name}"`, code: "mixture_invalid", message: `"${name}" ${what}`, remedy },
  ];
  const apart = "Name it in requests, alone or in a stack; a recipe takes adapters of layers only.";
  if (facts.activated) return refused("is an activated LoRA, which a prompt switches on", apart);
  if (facts.vocabulary !== null) return refused("has an embedding or a head of its own", apart);
  if (kind === "stacked" || !facts.modules.includes("experts")) return [];
  return refused("extends the base's own experts, which are not merged", "Stack it beside the others.");
}
