// recipe.json ("molora-recipe/1"): layers of one personality (domain, style, user) and how each comes in: merged, stacked or
// routed. Paths are handed on as they are written; nothing here opens them.

import { Fields } from "../../files/fields.ts";
import { BASE_NAME, checkName } from "../../files/lora/names.ts";
import { type ByteSource, readText } from "../../files/source.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { MergeMethod, MergeTuning } from "../merge/options.ts";
import { readMerge, writeTuning } from "./merge_fields.ts";

export const RECIPE_FORMAT = "molora-recipe/1";
export const RECIPE_FILE = "recipe.json";

const MAX_BYTES = 4 << 20;
/** More than any token can have; what an engine takes is less, and it says so itself. */
const MAX_PARTS = 64;

/** An adapter that a part names. */
export interface RecipeAdapter {
  name: string;
  /** Path of its PEFT folder, relative to the recipe's, or on a hub. */
  adapter: string;
  /** The generation it must be; undefined: whichever lies there. */
  sha256: string | undefined;
}

interface Named {
  name: string;
}

/** One adapter for every token, at a weight. */
export interface StackedPart extends Named, RecipeAdapter {
  kind: "stacked";
  weight: number;
}

/** Several adapters made into one when the recipe is loaded, which then is stacked at a weight. */
export interface MergedPart extends Named {
  kind: "merged";
  weight: number;
  method: Exclude<MergeMethod, "darex">;
  tuning: MergeTuning;
  adapters: readonly (RecipeAdapter & { weight: number })[];
}

/** A mixture: its router chooses for every token in every layer, beside what is stacked. */
export interface RoutedPart extends Named {
  kind: "routed";
  /** Path of the mixture's folder. */
  mixture: string;
  sha256: string | undefined;
}

export type RecipePart = StackedPart | MergedPart | RoutedPart;

export interface Recipe {
  /** In the order of the file: that of the trace, and of the sum. At most one is routed. */
  parts: readonly RecipePart[];
}

/**
 * Reads a recipe.
 *
 * @throws MoloraError `mixture_invalid`, naming the field
 */
export async function readRecipe(source: ByteSource): Promise<Recipe> {
  const fields = await Fields.read(source, MAX_BYTES, "mixture_invalid");
  fields.only(["format", "parts"]);
  fields.oneOf("format", [RECIPE_FORMAT]);
  const parts = fields.objects("parts", MAX_PARTS).map(readPart);
  if (parts.length === 0) fields.fail("parts", `a list of 1 to ${MAX_PARTS} parts`);
  const names = parts.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) fields.fail("parts", `without two parts named "${twice}"`);
  if (parts.filter(({ kind }) => kind === "routed").length > 1) {
    fields.fail("parts", "a list with at most one mixture: a token has one router");
  }
  return { parts };
}

/** The bytes of a recipe, for its generation. @throws MoloraError `header_too_large` */
export async function recipeText(source: ByteSource): Promise<string> {
  return readText(source, MAX_BYTES);
}

function readPart(fields: Fields): RecipePart {
  const name = fields.string("name");
  checkName("a part", name, "mixture_invalid");
  // Traces say "base" where nothing was added.
  if (name === BASE_NAME) fields.fail("name", `another name than "${BASE_NAME}", which always is in a recipe`);
  const kinds = ["adapter", "merge", "mixture"].filter((kind) => fields.has(kind));
  if (kinds.length !== 1) {
    throw new MoloraError(
      "mixture_invalid",
      `${fields.where}: ${kinds.length === 0 ? "no kind is named" : `both ${kinds.join(" and ")} are there`}`,
      { remedy: 'A part has one of "adapter" (stacked), "merge" (adapters made into one) and "mixture" (routed).' },
    );
  }
  switch (kinds[0]) {
    case "adapter":
      fields.only(["name", "adapter", "sha256", "weight"]);
      return { kind: "stacked", ...readAdapter(fields), weight: readWeight(fields) };
    case "merge": {
      fields.only(["name", "merge", "weight"]);
      const merge = fields.object("merge");
      const { method, tuning } = readMerge(merge);
      const adapters = merge.objects("adapters", MAX_PARTS).map((adapter) => {
        adapter.only(["name", "adapter", "sha256", "weight"]);
        return { ...readAdapter(adapter), weight: readWeight(adapter) };
      });
      if (adapters.length === 0) merge.fail("adapters", "a list of the adapters that become one");
      return { kind: "merged", name, weight: readWeight(fields), method, tuning, adapters };
    }
    default:
      // A mixture's own gates are its weights.
      fields.only(["name", "mixture", "sha256"]);
      return { kind: "routed", name, mixture: readPath(fields, "mixture"), sha256: readDigest(fields) };
  }
}

function readAdapter(fields: Fields): RecipeAdapter {
  const name = fields.string("name");
  checkName("an adapter", name, "mixture_invalid");
  return { name, adapter: readPath(fields, "adapter"), sha256: readDigest(fields) };
}

function readPath(fields: Fields, name: "adapter" | "mixture"): string {
  const path = fields.string(name);
  if (path === "") fields.fail(name, "the path of a folder");
  return path;
}

function readWeight(fields: Fields): number {
  return fields.has("weight") ? fields.number("weight") : 1;
}

function readDigest(fields: Fields): string | undefined {
  if (!fields.has("sha256")) return undefined;
  const digest = fields.string("sha256").toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digest)) fields.fail("sha256", "64 hexadecimal digits");
  return digest;
}

/** The file that `readRecipe` reads back. */
export function writeRecipe({ parts }: Recipe): string {
  const written = parts.map((part) => {
    if (part.kind === "routed") return { name: part.name, mixture: part.mixture, ...digest(part) };
    if (part.kind === "stacked") return { ...adapterFields(part), weight: part.weight };
    const { name, weight, method, tuning } = part;
    const adapters = part.adapters.map((adapter) => ({ ...adapterFields(adapter), weight: adapter.weight }));
    return { name, weight, merge: { method, ...writeTuning(tuning), adapters } };
  });
  return `${JSON.stringify({ format: RECIPE_FORMAT, parts: written }, undefined, 2)}\n`;
}

function adapterFields({ name, adapter, ...rest }: RecipeAdapter) {
  return { name, adapter, ...digest(rest) };
}

function digest({ sha256 }: { sha256: string | undefined }) {
  return sha256 === undefined ? {} : { sha256 };
}
