// Recipes as they are served: what is merged is made one adapter, what is stacked and routed is read, and all of it is held by
// the recipe. How adapters and mixtures are read, the library knows.

import type { OpenMergeCrew } from "../../composition/merge/job.ts";
import { mergeAdapters } from "../../composition/merge/merge.ts";
import type { MergedPart, Recipe, RecipeAdapter, RecipePart } from "../../composition/recipe/recipe.ts";
import { sha256 } from "../../files/digest.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import type { SourceFolder } from "../../files/source.ts";
import type { MixtureReport, RecipePartReport } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { reportMixture } from "../../router/experts.ts";
import type { Router } from "../../router/mixture.ts";
import type { Capacity } from "../model/capacity.ts";
import { type LoadedMixture, type LoadedRecipe, loadedAdapter } from "./generation.ts";
import { mergedFolder } from "./mergeable.ts";
import { type Acting, AGREE, disagreement } from "./one_vocabulary.ts";
import type { PackedAdapter } from "./pack_adapter.ts";
import { routedEntries } from "./pack_router.ts";

/** How a recipe gets at what its parts name. */
export interface RecipeReader {
  config: ModelConfig;
  capacity: Capacity;
  /** Threads that merge, where the host has some. */
  openCrew: OpenMergeCrew | undefined;
  /** An adapter that is served as it is. */
  served(part: RecipeAdapter): Promise<PackedAdapter>;
  /** An adapter as merging takes it. */
  mergeable(part: RecipeAdapter, method: MergedPart["method"]): Promise<Adapter>;
  /** Reads a PEFT folder. */
  packed(name: string, folder: SourceFolder): Promise<PackedAdapter>;
  routed(part: { name: string; mixture: string; sha256: string | undefined }): Promise<LoadedMixture>;
}

export interface MadeRecipe {
  recipe: LoadedRecipe;
  report: MixtureReport;
}

/**
 * Makes what a recipe says. Its hash is over the file's text and its parts' hashes, so that it names all that they do.
 *
 * @throws MoloraError `mixture_invalid`, `checksum_mismatch` where a part is not the generation that the file states, and what
 * reading and merging throw
 */
export async function makeRecipe(
  name: string,
  { parts }: Recipe,
  text: string,
  reader: RecipeReader,
): Promise<MadeRecipe> {
  const stack: { name: string; weight: number; generation: LoadedRecipe["stack"][number]["generation"] }[] = [];
  const reports: RecipePartReport[] = [];
  let routed: LoadedMixture | undefined;
  for (const part of parts) {
    if (part.kind === "routed") {
      routed = await reader.routed(part);
      reports.push({ name: part.name, kind: "routed", hash: routed.hash });
      continue;
    }
    const { adapter, made } = await adapterOf(part, reader);
    refuseActivated(name, part, adapter);
    stack.push({ name: part.name, weight: part.weight, generation: loadedAdapter(adapter) });
    reports.push({ name: part.name, kind: part.kind, hash: adapter.hash, weight: part.weight, ...made });
  }
  checkVocabularies(name, [
    ...stack.map(({ name, generation: { adapter }, weight }) => ({ name, adapter, weight })),
    ...(routed?.experts ?? []).flatMap((expert) => (expert === undefined ? [] : [{ ...expert, weight: 1 }])),
  ]);
  checkEntries(name, stack.length, routed?.mixture.router, reader.capacity.entries);
  const hash = await sha256(new TextEncoder().encode([text, ...reports.map((part) => part.hash)].join("\n")));
  // What it does follows from the parts, whatever the file looks like.
  const held = [...stack.map(({ generation, weight }) => `${generation.key} ${weight}`), routed?.key ?? "no router"];
  const recipe: LoadedRecipe = { kind: "recipe", name, hash, key: ["recipe", hash, ...held].join("/"), stack, routed };
  return { recipe, report: reportOf(recipe, reports) };
}

async function adapterOf(
  part: Exclude<RecipePart, { kind: "routed" }>,
  reader: RecipeReader,
): Promise<{ adapter: PackedAdapter; made: Pick<RecipePartReport, "method" | "adapters"> }> {
  if (part.kind === "stacked") return { adapter: await reader.served(part), made: {} };
  const { name, method, tuning } = part;
  const adapters: Adapter[] = [];
  for (const one of part.adapters) {
    const adapter = await reader.mergeable(one, method);
    checkGeneration(one, adapter.hash);
    adapters.push(adapter);
  }
  const weights = part.adapters.map(({ weight }) => weight);
  const { layers } = await mergeAdapters(
    adapters,
    reader.config,
    { method, ...tuning, weights },
    { openCrew: reader.openCrew },
  );
  const merged = adapters.map(({ hash }, i) => ({ name: part.adapters[i].name, hash, weight: weights[i] }));
  return {
    adapter: await reader.packed(name, mergedFolder(name, layers, reader.config)),
    made: { method, adapters: merged },
  };
}

/** @throws MoloraError `checksum_mismatch` */
export function checkGeneration({ name, sha256 }: { name: string; sha256: string | undefined }, found: string): void {
  if (sha256 === undefined || sha256 === found) return;
  throw new MoloraError("checksum_mismatch", `part "${name}": what lies there is not what the recipe names`, {
    remedy: "Fetch what the recipe was made with, or make it again: molora recipe make.",
    details: { name, expected: sha256, found },
  });
}

/** A recipe acts from the first token on. @throws MoloraError `mixture_invalid` */
export function refuseActivated(
  recipe: string,
  { name }: Pick<RecipePart, "name">,
  { invocation }: { invocation?: unknown },
): void {
  if (invocation === undefined) return;
  const what = "is an activated LoRA, which a prompt switches on";
  throw new MoloraError("mixture_invalid", `recipe "${recipe}": part "${name}" ${what}`, {
    remedy: "Name it in requests, alone or in a stack.",
  });
}

/** One embedding and one head, whoever brings them. @throws MoloraError `mixture_invalid` */
export function checkVocabularies(recipe: string, acting: readonly Acting[]): void {
  const wrong = disagreement(acting);
  if (wrong !== undefined) throw new MoloraError("mixture_invalid", `recipe "${recipe}": ${wrong}`, { remedy: AGREE });
}

/** `entries`: adapters that an engine gives a token at most. @throws MoloraError `mixture_invalid` */
export function checkEntries(name: string, stacked: number, router: Router | undefined, entries: number): void {
  const chosen = router === undefined ? 0 : routedEntries(router);
  if (stacked + chosen <= entries) return;
  const beside = router === undefined ? "" : ` beside ${chosen} of its mixture`;
  throw new MoloraError(
    "mixture_invalid",
    `recipe "${name}" gives a token ${stacked} adapters${beside}; this engine takes ${entries}`,
    { remedy: "Merge some of the parts into one." },
  );
}

function reportOf({ name, hash, routed }: LoadedRecipe, parts: RecipePartReport[]): MixtureReport {
  const mixture = routed && reportMixture(routed.mixture);
  const { router, experts, bytes } = mixture ?? { router: "none", experts: [], bytes: 0 };
  return { name, hash, router, experts, bytes, parts };
}
