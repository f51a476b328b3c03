// Mixtures and recipes out of their files, with the adapters that they name, ready to be registered.

import { RECIPE_FILE, readRecipe, recipeText } from "../../composition/recipe/recipe.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import { sliced } from "../../files/slices.ts";
import type { ByteSource, SourceFolder } from "../../files/source.ts";
import type { MixtureReport } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { reportMixture } from "../../router/experts.ts";
import { MIXTURE_FILE, readMixture } from "../../router/format.ts";
import type { MixtureExpert } from "../../router/mixture.ts";
import type { ActivationForm } from "../../shaders/formats/device_format.ts";
import type { FoundFolder, Host } from "../host.ts";
import type { Capacity } from "../model/capacity.ts";
import { type ExpertAdapter, type LoadedMixture, type LoadedRecipe, loadedMixture } from "./generation.ts";
import { checkMixture } from "./limits.ts";
import { mergeable } from "./mergeable.ts";
import type { PackedAdapter } from "./pack_adapter.ts";
import { prepareRouter } from "./prepare_router.ts";
import { checkGeneration, makeRecipe } from "./recipes.ts";
import type { Registry } from "./registry.ts";

/** What is known of a load beside the name: where it came from, and what it is to be. */
export interface Origin {
  path: string | undefined;
  found: boolean;
  pinned: boolean;
  /** Opens what a mixture's experts name, where a source says what it may be. */
  open?: FoundFolder["open"];
}

/** What names an adapter in a mixture or a recipe. */
export type NamedExpert = Pick<MixtureExpert, "name" | "adapter" | "sha256">;

export interface RoutingSources {
  host: Host;
  config: ModelConfig;
  capacity: Capacity;
  /** What the gates of routers are multiplied by. */
  activations: ActivationForm;
  registry: Registry;
  /** Reads a PEFT folder. */
  packed(name: string, from: SourceFolder): Promise<PackedAdapter>;
  /** The adapter that an expert means. */
  expert(expert: NamedExpert, origin: Origin): Promise<ExpertAdapter>;
  /** Reads what a name stands for again, where it gave up its memory. */
  recalled(name: string): Promise<void>;
}

/** A mixture's folder, a recipe's, or a recipe's file. @throws MoloraError what is wrong with it */
export async function readRouting(
  name: string,
  opened: ByteSource | SourceFolder,
  origin: Origin,
  sources: RoutingSources,
): Promise<{ loaded: LoadedMixture | LoadedRecipe; report: MixtureReport }> {
  const { host, config, capacity, registry } = sources;
  const file = await recipeIn(opened);
  if (file === undefined) {
    const loaded = await mixtureOf(name, asFolder(opened), origin, sources);
    return { loaded, report: reportMixture(loaded.mixture) };
  }
  // Paths in a recipe count from the folder it lies in.
  const isFile = "read" in opened && origin.path !== undefined;
  const within = isFile ? { ...origin, path: host.resolve(origin.path!, "..") } : origin;
  const { recipe: loaded, report } = await makeRecipe(name, await readRecipe(file), await recipeText(file), {
    config,
    capacity,
    openCrew: host.openMergeCrew,
    async served(part) {
      const adapter = (await sources.expert(part, within))!;
      checkGeneration(part, adapter.hash);
      return adapter;
    },
    async mergeable({ name: part, adapter }, method) {
      // What came as bytes lies nowhere: its adapters are those of their names.
      if (within.path === undefined) {
        await sources.recalled(part);
        return mergeable(registry.adapter(part).adapter, method);
      }
      return loadAdapter(part, await (within.open ?? host.open)(host.resolve(within.path, adapter)), config);
    },
    packed: (part, folder) => sources.packed(part, folder),
    async routed({ name: part, mixture, sha256 }) {
      const routed = await routedPart(part, mixture, within, sources);
      checkGeneration({ name: part, sha256 }, routed.hash);
      return routed;
    },
  });
  return { loaded, report };
}

async function routedPart(name: string, path: string, origin: Origin, sources: RoutingSources): Promise<LoadedMixture> {
  const { host, registry } = sources;
  if (origin.path !== undefined) {
    const place = host.resolve(origin.path, path);
    const folder = asFolder(await (origin.open ?? host.open)(place));
    return mixtureOf(name, folder, { ...origin, path: place }, sources);
  }
  await sources.recalled(name);
  const loaded = registry.mixture(name);
  if (loaded.kind === "mixture") return loaded;
  throw new MoloraError("mixture_invalid", `"${name}" is a recipe, and a recipe's router is a mixture's`);
}

async function mixtureOf(
  name: string,
  folder: SourceFolder,
  origin: Origin,
  sources: RoutingSources,
): Promise<LoadedMixture> {
  const mixture = await readMixture(name, folder, sources.config);
  checkMixture(mixture, sources.capacity);
  const adapters: ExpertAdapter[] = [];
  for (const expert of mixture.experts) adapters.push(await sources.expert(expert, origin));
  return loadedMixture(mixture, adapters, await sliced(prepareRouter(mixture, adapters, sources.activations)));
}

/** @throws MoloraError `file_not_found` */
function asFolder(opened: ByteSource | SourceFolder): SourceFolder {
  if ("list" in opened) return opened;
  throw new MoloraError("file_not_found", `${opened.name} is a file`, { remedy: "Name the folder it lies in." });
}

/** The recipe that was named, or lies in a folder that is no mixture's. */
async function recipeIn(opened: ByteSource | SourceFolder): Promise<ByteSource | undefined> {
  if ("read" in opened) return opened.name.endsWith(".json") ? opened : undefined;
  return (await opened.open(MIXTURE_FILE)) === undefined ? opened.open(RECIPE_FILE) : undefined;
}
