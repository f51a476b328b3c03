// The safetensors of a Hugging Face folder: one file, or shards listed by an index, as one set of tensors.

import { MoloraError } from "../../../proto/errors.ts";
import { readText, type SourceFolder } from "../../source.ts";
import type { RawTensor, StoredTensor, TensorSource } from "../tensor.ts";
import { readSafetensors } from "./safetensors.ts";

export const SINGLE_FILE = "model.safetensors";
export const INDEX_FILE = "model.safetensors.index.json";

const MAX_SHARDS = 1024;

/**
 * Opens model.safetensors, or every shard that model.safetensors.index.json names. Tensors in types that are not read
 * are listed in `unsupported`.
 *
 * @throws MoloraError as `readSafetensors`, `file_not_found` for an absent shard, `header_invalid` for a bad index and
 * `tensor_missing` where a shard lacks what the index says it has.
 */
export async function readShardedSafetensors(folder: SourceFolder): Promise<TensorSource> {
  const single = await folder.open(SINGLE_FILE);
  if (single) return readSafetensors(single, { otherTypes: "list" });
  const index = await folder.open(INDEX_FILE);
  if (!index) {
    throw new MoloraError("file_not_found", `${folder.name} has neither ${SINGLE_FILE} nor ${INDEX_FILE}`, {
      remedy: "Give a folder as Hugging Face's save_pretrained writes it, or a .gguf file.",
    });
  }
  const places = parseIndex(index.name, await readText(index));
  const tensors = new Map<string, StoredTensor>();
  const unsupported = new Map<string, string>();
  const raw = new Map<string, RawTensor>();
  for (const [file, names] of groupByFile(places)) {
    const shard = await openShard(folder, file);
    for (const name of names) {
      const tensor = shard.tensors.get(name);
      const dtype = shard.unsupported?.get(name);
      const bytes = shard.raw?.get(name);
      if (bytes) raw.set(name, bytes);
      if (tensor) tensors.set(name, tensor);
      else if (dtype) unsupported.set(name, dtype);
      else
        throw new MoloraError("tensor_missing", `${shard.name}: no tensor ${name}, though the index says so`, REFETCH);
    }
  }
  return { name: folder.name, tensors, unsupported, raw };
}

const REFETCH = { remedy: "Fetch the folder again: index and shards belong to different versions." };

async function openShard(folder: SourceFolder, file: string): Promise<TensorSource> {
  const source = await folder.open(file);
  if (source) return readSafetensors(source, { otherTypes: "list" });
  throw new MoloraError("file_not_found", `${folder.name}: shard ${file} is not there`, {
    remedy: "Fetch all files the index names.",
    details: { shard: file },
  });
}

function parseIndex(file: string, text: string): Map<string, string> {
  let weightMap: unknown;
  try {
    weightMap = (JSON.parse(text) as { weight_map?: unknown } | null)?.weight_map;
  } catch (cause) {
    throw new MoloraError("header_invalid", `${file} is not JSON`, { ...REFETCH, cause });
  }
  const entries = typeof weightMap === "object" && weightMap !== null ? Object.entries(weightMap) : [];
  // A shard lies beside its index: a path in its place could lead anywhere.
  if (entries.length === 0 || !entries.every(([, shard]) => typeof shard === "string" && /^[^/\\]+$/.test(shard))) {
    throw new MoloraError("header_invalid", `${file}: weight_map does not map tensors to file names`, REFETCH);
  }
  return new Map(entries);
}

function groupByFile(places: ReadonlyMap<string, string>): Map<string, string[]> {
  const files = new Map<string, string[]>();
  for (const [tensor, file] of places) {
    const names = files.get(file);
    if (names) names.push(tensor);
    else files.set(file, [tensor]);
  }
  if (files.size > MAX_SHARDS) {
    throw new MoloraError("header_invalid", `the index names ${files.size} shards, at most ${MAX_SHARDS} are opened`);
  }
  return files;
}
