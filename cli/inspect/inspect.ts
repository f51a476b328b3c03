// Finds out what a path or a hub's repository is, from names and headers: no device is opened, no weights are read.

import { RECIPE_FILE, RECIPE_FORMAT, recipeText } from "../../composition/recipe/recipe.ts";
import type { ByteSource } from "../../files/source.ts";
import { ggufBases } from "../../files/weights/gguf/base_files.ts";
import { readGgufHeader } from "../../files/weights/gguf/gguf_header.ts";
import { isHubReference, parseHubReference } from "../../node/hub/reference.ts";
import { resolveLocator } from "../../node/sources/locator.ts";
import { MIXTURE_FILE } from "../../router/format.ts";
import { inspectAdapter, MLX_WEIGHTS, PEFT_CONFIG } from "./adapter.ts";
import { inspectBase } from "./base.ts";
import { fitProblems } from "./fit.ts";
import type { Inspection, Kind } from "./inspection.ts";
import { inspectMixture } from "./mixture.ts";
import { bytesOf, filesOf, type Opened, open } from "./open.ts";
import { inspectRecipe } from "./recipe.ts";

/** `model`: the base that an adapter, a mixture or a recipe is tried on. @throws MoloraError where there is nothing to inspect */
export async function inspect(path: string, model?: string): Promise<Inspection> {
  const opened = await open(path);
  const files = await filesOf(opened);
  const kind = await kindOf(opened, files);
  const found: Inspection = {
    path: opened.path,
    kind,
    files,
    bytes: bytesOf(files),
    loads: false,
    use: [],
    base: null,
    adapter: null,
    mixture: null,
    recipe: null,
    problems: [],
    remarks: [],
  };
  const several = kind === "base" ? ggufChoices(opened, files) : [];
  if (several.length > 1) {
    const use = several.map((choice) => `--model ${choice}`);
    return { ...found, use, remarks: [`it holds ${several.length} GGUF files: name one of them`] };
  }
  const recipe = kind === "recipe" ? await recipeIn(opened) : undefined;
  await fill(found, opened, { gguf: several[0], recipe });
  // What is not whole in itself need not be tried on a base.
  if (model !== undefined && kind !== null && kind !== "base" && found[kind] !== null) {
    found.problems.push(...(await fitProblems(kind, opened, model, recipe)));
  }
  const loads = kind !== null && found.problems.length === 0;
  return { ...found, loads, use: loads ? [flagFor(kind, several[0] ?? opened.path)] : [] };
}

interface Choices {
  /** Of several files. */
  gguf: string | undefined;
  recipe: RecipeSource | undefined;
}

/** A recipe's file, and what paths in it count from. */
interface RecipeSource {
  source: ByteSource;
  folder: string;
}

async function fill(found: Inspection, { from }: Opened, { gguf, recipe }: Choices): Promise<void> {
  if (found.kind === "base") {
    const { facts, problems, remarks } = await inspectBase(gguf === undefined ? from : (await open(gguf)).from);
    Object.assign(found, { base: facts, problems, remarks });
  } else if (found.kind === "adapter") {
    const { facts, problems } = await inspectAdapter(from);
    Object.assign(found, { adapter: facts, problems });
  } else if (found.kind === "mixture" && "list" in from) {
    const { facts, problems } = await inspectMixture(from);
    Object.assign(found, { mixture: facts, problems });
  } else if (recipe !== undefined) {
    const { facts, problems } = await inspectRecipe(recipe.source, recipe.folder);
    const remarks = facts?.parts.some(({ kind }) => kind === "merged")
      ? ["what is merged is made when it is loaded"]
      : [];
    Object.assign(found, { recipe: facts, problems, remarks });
  } else {
    found.problems.push({
      part: "files",
      code: "file_not_found",
      message: `${found.path} holds no base, no adapter, no mixture and no recipe that is read`,
      remedy:
        "A base has safetensors or a GGUF, an adapter adapter_config.json, a mixture mixture.json, a recipe recipe.json.",
    });
  }
}

async function kindOf({ from }: Opened, files: Inspection["files"]): Promise<Kind | null> {
  if ("read" in from) {
    if (from.name.endsWith(".json") && (await isRecipe(from))) return "recipe";
    if (!from.name.endsWith(".gguf")) return null;
    // What cannot be read is inspected as a base, which says why.
    const header = await readGgufHeader(from).catch(() => undefined);
    return header?.metadata.get("general.type") === "adapter" ? "adapter" : "base";
  }
  const names = files.map(({ path }) => path);
  if (names.includes(MIXTURE_FILE)) return "mixture";
  if (names.includes(RECIPE_FILE)) return "recipe";
  if (names.includes(PEFT_CONFIG) || names.includes(MLX_WEIGHTS)) return "adapter";
  return names.some((name) => /\.(gguf|safetensors)$/.test(name)) || names.includes("config.json") ? "base" : null;
}

/** By its name, which any file of that name has, or by what it says it is. */
async function isRecipe(source: ByteSource): Promise<boolean> {
  if (source.name.split(/[/:]/).at(-1) === RECIPE_FILE) return true;
  const json: unknown = await recipeText(source)
    .then(JSON.parse)
    .catch(() => undefined);
  return typeof json === "object" && json !== null && "format" in json && json.format === RECIPE_FORMAT;
}

async function recipeIn({ path, from }: Opened): Promise<RecipeSource> {
  if ("list" in from) return { source: (await from.open(RECIPE_FILE))!, folder: path };
  return { source: from, folder: resolveLocator(path, "..") };
}

/** The GGUF files of a folder without safetensors, as commands take them; of one in parts the first. */
function ggufChoices({ path, from }: Opened, files: Inspection["files"]): string[] {
  if ("read" in from || files.some((file) => file.path.endsWith(".safetensors"))) return [];
  const { bases: ggufs } = ggufBases(files.map((file) => file.path));
  const join = !isHubReference(path) ? "/" : parseHubReference(path).path === undefined ? ":" : "/";
  // A folder of this machine with one GGUF is opened as such, with what lies beside it.
  if (ggufs.length === 1 && join === "/" && !isHubReference(path)) return [];
  return ggufs.map((name) => `${path.replace(/\/$/, "")}${join}${name}`);
}

function flagFor(kind: Kind, path: string): string {
  return kind === "base" ? `--model ${path}` : `--${kind} NAME=${path}`;
}
