// Opens the files of the base model behind `--model`, without a device.

import { type ModelFiles, openModelFiles } from "../files/model_files/model_files.ts";
import { nodeHost } from "../node/host.ts";
import { isPreset, openPreset, type Preset } from "../node/presets.ts";
import type { Output } from "./terminal/output.ts";
import { formatBytes, Progress } from "./terminal/progress.ts";

export interface OpenedBase {
  files: ModelFiles;
  /** The adapters and the mixture of a short name; undefined where `--model` was a path. */
  preset: Preset | undefined;
}

export async function openBase(model: string, output: Output): Promise<OpenedBase> {
  const preset = isPreset(model) ? await fetchPreset(model, output) : undefined;
  const files = await openModelFiles(await nodeHost().open(preset?.model ?? model));
  if (files.partOf !== undefined) output.note(`${files.name}: ${files.partOf} is used, and nothing else of it`);
  return { files, preset };
}

async function fetchPreset(name: Parameters<typeof openPreset>[0], output: Output): Promise<Preset> {
  const bar = new Progress(`fetching ${name}`, formatBytes, output.streams.stderr);
  try {
    return await openPreset(name, ({ source, received, total }) => bar.update(received, total, source));
  } finally {
    bar.finish();
  }
}
