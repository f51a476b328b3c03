// The folder that a merge is written to: a PEFT adapter, or a whole base with the merge in it.

import { existsSync } from "node:fs";
import { copyFile, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { MergedBase } from "../../composition/base/merged_base.ts";
import type { MergedAdapter } from "../../composition/merge/merge.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { writePeftAdapter } from "../../files/lora/peft_write.ts";
import { MoloraError } from "../../proto/errors.ts";
import { writeWhole } from "../whole_file.ts";

const REPORT = "merge.json";

/**
 * A merged adapter replaces an earlier one of this command.
 *
 * @throws MoloraError `bad_arguments` where other weights lie there
 */
export async function checkFree(folder: string, intoBase: boolean): Promise<void> {
  const names = existsSync(folder) ? await readdir(folder) : [];
  const replaced = names.includes(REPORT) && !intoBase ? "adapter_model.safetensors" : undefined;
  const taken = names.find((name) => /\.(safetensors|gguf)$/.test(name) && name !== replaced);
  if (taken === undefined) return;
  throw new MoloraError("bad_arguments", `${folder} already has ${taken}`, { remedy: "Choose another --out." });
}

export async function writeMergedAdapter(
  folder: string,
  { layers, report }: Pick<MergedAdapter, "layers"> & { report: unknown },
  base: ModelConfig,
  options: { baseModel: string; type: "f32" | "f16" | "bf16" },
): Promise<void> {
  const { config, safetensors } = writePeftAdapter({ layers }, base, options);
  await mkdir(folder, { recursive: true });
  await writeWhole(join(folder, "adapter_model.safetensors"), safetensors);
  await writeWhole(join(folder, "adapter_config.json"), config);
  await writeReport(folder, report);
}

export async function writeReport(folder: string, report: unknown): Promise<void> {
  await writeWhole(join(folder, REPORT), `${JSON.stringify(report, undefined, 2)}\n`);
}

/** Weights piece by piece; a file that could not be finished is taken away. */
export async function writeMergedBase(
  folder: string,
  name: string,
  { pieces, tensors }: MergedBase,
  onTensor: (done: number, total: number) => void,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, name);
  const file = await open(`${path}.partial`, "w");
  try {
    let written = -1;
    for await (const piece of pieces) {
      await file.writeFile(piece);
      if (++written > 0) onTensor(written, tensors);
    }
    await file.close();
    await rename(`${path}.partial`, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(`${path}.partial`, { force: true });
    throw error;
  }
}

/** What a model's folder has beside its weights: config, tokenizer, licence. Subfolders stay behind. */
export async function copyBeside(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const weights = /\.(safetensors|gguf|bin|pt|pth|h5|msgpack|onnx)$|\.index\.json$/.test(entry.name);
    if (entry.isDirectory() || weights || entry.name.startsWith(".")) continue;
    await copyFile(join(from, entry.name), join(to, entry.name));
  }
}
