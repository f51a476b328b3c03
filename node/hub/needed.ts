// Which files of a repository make the base, the adapter or the mixture that it is: those and no others are fetched.

import { ggufBases } from "../../files/weights/gguf/base_files.ts";
import { partOf } from "../../files/weights/gguf/split.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { HubFile } from "./hub.ts";
import type { HubReference } from "./reference.ts";

export interface Needed {
  files: HubFile[];
  /** What to open of them: a file, or the folder that they lie in ("" is the repository's top). */
  target: string;
  /** An index of shards among `files`: once it is there, it names more. */
  index: HubFile | undefined;
}

const INDEX = "model.safetensors.index.json";
const SAFETENSORS = "model.safetensors";
/** Read where they are there, whatever the weights are. */
const BESIDE = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "added_tokens.json",
  "tekken.json",
  "chat_template.jinja",
  "additional_chat_templates/tool_use.jinja",
];
const ADAPTER = ["adapter_model.safetensors", "adapters.safetensors"];
const MIXTURE = ["mixture.json", "router.safetensors"];

/**
 * The files of what `reference` names in a repository of `files`.
 *
 * @throws MoloraError `file_not_found` where there is no such path, or nothing there that is read; `bad_arguments` where
 * it holds several GGUF files, listing them
 */
export function neededFiles(reference: HubReference, files: readonly HubFile[]): Needed {
  const { path } = reference;
  const named = files.find((file) => file.path === path);
  if (named !== undefined) return { files: withParts(named, files), target: named.path, index: undefined };
  const folder = path === undefined ? "" : `${path}/`;
  const here = files.filter((file) => file.path.startsWith(folder) && !file.path.slice(folder.length).includes("/"));
  if (here.length === 0) {
    throw new MoloraError("file_not_found", `${reference.repo} holds no ${path ?? "files"} at ${reference.revision}`, {
      remedy: `It holds: ${shortList(files.map((file) => file.path))}.`,
    });
  }
  const find = (name: string) => files.find((file) => file.path === folder + name);
  const pick = (names: readonly string[]) => names.flatMap((name) => find(name) ?? []);
  const index = find(SAFETENSORS) === undefined ? find(INDEX) : undefined;
  const dense = index ?? find(SAFETENSORS);
  const mixture = pick(find("mixture.json") === undefined ? ["recipe.json"] : MIXTURE);
  const adapter = pick(ADAPTER);
  const weights = [...mixture, ...adapter, ...(dense ? [dense] : [])];
  if (weights.length === 0) {
    // A GGUF has all in it; what lies beside it is often for the hub's own pages.
    const parts = onlyGguf(reference, here, files);
    return { files: parts, target: parts[0].path, index: undefined };
  }
  const beside =
    mixture.length > 0 && weights.length === mixture.length ? [] : pick([...BESIDE, "adapter_config.json"]);
  return { files: [...beside, ...weights], target: path ?? "", index };
}

/** What an index names, by its JSON's `weight_map`, of the index's folder. */
export function shardsOf(index: HubFile, json: unknown, files: readonly HubFile[]): HubFile[] {
  const map = typeof json === "object" && json !== null && "weight_map" in json ? json.weight_map : undefined;
  const names = new Set(typeof map === "object" && map !== null ? Object.values(map) : []);
  const folder = index.path.slice(0, index.path.length - INDEX.length);
  return files.filter((file) => file.path.startsWith(folder) && names.has(file.path.slice(folder.length)));
}

function onlyGguf(reference: HubReference, here: readonly HubFile[], all: readonly HubFile[]): HubFile[] {
  const { bases } = ggufBases(here.map(({ path }) => path));
  const first = here.filter(({ path }) => bases.includes(path));
  if (first.length === 1) return withParts(first[0], all);
  if (first.length > 1) {
    const sizes = first.map((file) => `${file.path} (${gigabytes(withParts(file, all))})`);
    throw new MoloraError("bad_arguments", `${reference.repo} holds ${first.length} GGUF files: ${shortList(sizes)}`, {
      remedy: `Name one: hf:${reference.repo}:${first[0].path}.`,
      details: { files: first.map(({ path }) => path) },
    });
  }
  const pickled = here.find(({ path }) => /\.(bin|pt|pth)$/.test(path))?.path;
  throw new MoloraError("file_not_found", `${reference.repo} holds no safetensors and no GGUF that are read here`, {
    remedy:
      pickled === undefined
        ? `It holds: ${shortList(here.map(({ path }) => path))}. Name a folder or file of it: hf:${reference.repo}:PATH.`
        : `Its ${pickled} is a pickle, which can run code and is not read: convert it with save_pretrained.`,
  });
}

/** All parts of a GGUF that is split, else the file alone. */
function withParts(file: HubFile, files: readonly HubFile[]): HubFile[] {
  const part = partOf(file.path);
  if (part === undefined) return [file];
  return files.filter(({ path }) => partOf(path)?.count === part.count && partOf(path)?.stem === part.stem);
}

function gigabytes(files: readonly HubFile[]): string {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

function shortList(names: readonly string[]): string {
  const shown = names.slice(0, 12).join(", ");
  return names.length > 12 ? `${shown} and ${names.length - 12} more` : shown || "nothing";
}
