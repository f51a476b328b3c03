// Opens the files of the base model behind `--model`, without a device.

import { type ModelFiles, openModelFiles } from "../files/model_files/model_files.ts";
import { nodeHost } from "../node/host.ts";
import { isPreset, openPreset, type Preset } from "../node/presets.ts";
import { FetchBar } from "./terminal/fetch_bar.ts";
import type { Output } from "./terminal/output.ts";

export interface OpenedBase {
  files: ModelFiles;
  /** The adapters and the mixture of a short name; undefined where `--model` was a path. */
  preset: Preset | undefined;
}

export async function openBase(model: string, output: Output): Promise<OpenedBase> {
  const bar = new FetchBar(output.streams.stderr);
  try {
    const preset = isPreset(model) ? await openPreset(model, bar.update) : undefined;
    const files = await openModelFiles(await nodeHost(bar.update).open(preset?.model ?? model));
    if (files.partOf !== undefined) output.note(`${files.name}: ${files.partOf} is used, and nothing else of it`);
    return { files, preset };
  } finally {
    bar.finish();
  }
}
