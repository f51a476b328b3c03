// `molora merge --into-base`: which file the base is read from and which is written.

import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { type MergedBase, mergedGguf, mergedSafetensors } from "../../composition/base/merged_base.ts";
import type { MergedType } from "../../composition/base/merged_tensor.ts";
import type { MergePlan } from "../../composition/merge/merge.ts";
import { familyOf } from "../../files/families/registry.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import { readGguf } from "../../files/weights/gguf/gguf.ts";
import { INDEX_FILE, readShardedSafetensors, SINGLE_FILE } from "../../files/weights/safetensors/shards.ts";
import { DirectoryFolder, FileSource } from "../../node/files.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Output } from "../terminal/output.ts";
import { Progress } from "../terminal/progress.ts";
import { copyBeside, writeMergedBase } from "./merged_folder.ts";

export interface IntoBase {
  basePath: string;
  files: ModelFiles;
  out: string;
  format: "auto" | "safetensors" | "gguf";
  type: "auto" | MergedType;
}

/** Writes it; gives the share of what was added that rounding to the stored type took away. */
export async function mergeIntoBase(plan: MergePlan, into: IntoBase, output: Output): Promise<{ roundedAway: number }> {
  const folder = (await stat(into.basePath)).isDirectory() ? into.basePath : undefined;
  const gguf = await ggufOf(into.basePath, folder);
  const format = into.format === "auto" ? (gguf === undefined ? "safetensors" : "gguf") : into.format;
  const name = format === "gguf" ? `${basename(into.out)}.gguf` : SINGLE_FILE;
  const merged = await (format === "gguf" ? asGguf(plan, into, gguf) : asSafetensors(plan, into, folder, gguf));
  const progress = new Progress(
    "merging into the base",
    (done) => `${Math.round(done)} tensors`,
    output.streams.stderr,
  );
  try {
    await writeMergedBase(into.out, name, merged, (done, total) => progress.update(done, total));
  } finally {
    progress.finish();
  }
  if (folder !== undefined) await copyBeside(folder, into.out);
  const { lost, added } = merged.rounding;
  return { roundedAway: added > 0 ? Math.sqrt(lost / added) : 0 };
}

/** The GGUF that the base is read from, of which the first part stands for all. */
async function ggufOf(path: string, folder: string | undefined): Promise<string | undefined> {
  if (folder === undefined) return path;
  if (existsSync(join(folder, SINGLE_FILE)) || existsSync(join(folder, INDEX_FILE))) return undefined;
  const first = (await readdir(folder)).filter((name) => name.endsWith(".gguf")).sort()[0];
  return first === undefined ? undefined : join(folder, first);
}

async function asGguf(plan: MergePlan, { files, type }: IntoBase, gguf: string | undefined): Promise<MergedBase> {
  if (gguf === undefined) {
    throw new MoloraError("bad_arguments", "the base is no GGUF, and its tokenizer cannot be written as one here", {
      remedy: "Write safetensors, and convert them with llama.cpp's convert_hf_to_gguf.py.",
    });
  }
  if (type === "bf16") {
    throw new MoloraError("bad_arguments", "--type bf16 is not written into a GGUF", {
      remedy: "Take f16, q8_0 or f32.",
    });
  }
  return mergedGguf(plan, (await FileSource.open(gguf))!, files.config, type === "auto" ? "f16" : type);
}

async function asSafetensors(
  plan: MergePlan,
  { files, type }: IntoBase,
  folder: string | undefined,
  gguf: string | undefined,
): Promise<MergedBase> {
  const wanted = type === "auto" ? undefined : type;
  if (gguf === undefined)
    return mergedSafetensors(plan, await readShardedSafetensors(new DirectoryFolder(folder!)), wanted);
  const { config } = files;
  const alone =
    folder === undefined || !existsSync(join(folder, "config.json")) || !existsSync(join(folder, "tokenizer.json"));
  const otherwise = familyOf(config).config.normsLessOne === true || config.experts !== undefined;
  if (alone || otherwise) {
    const why = alone
      ? "it has no config.json and tokenizer.json beside it"
      : `safetensors store a ${config.architecture} otherwise`;
    throw new MoloraError("bad_arguments", `the base is a GGUF, and ${why}: no Hugging Face folder comes of it`, {
      remedy: "Write --format gguf, or merge into the safetensors that it was made of.",
    });
  }
  return mergedSafetensors(plan, (await readGguf((await FileSource.open(gguf))!)).tensors, wanted);
}
