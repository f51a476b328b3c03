// The two models that come with adapters and a mixture: nano, which lies in the package, and SmolLM2, which is fetched.

import { fileURLToPath } from "node:url";
import type { FetchProgress } from "./download.ts";
import { fetchSmolLM2 } from "./smollm2.ts";

/** What to load, all paths absolute. */
export interface Preset {
  model: string;
  adapters: Record<string, string>;
  mixtures: Record<string, string>;
}

export const PRESETS = ["nano", "smollm2"] as const;
export type PresetName = (typeof PRESETS)[number];

/** The adapters of both presets, in the order of their mixtures. */
const ADAPTERS = ["math", "sql", "medical", "code"];

export function isPreset(name: string): name is PresetName {
  return PRESETS.some((preset) => preset === name);
}

/**
 * The base, adapters and mixture behind a short name. SmolLM2's base (98 MB) is downloaded where no cache has it.
 *
 * @throws MoloraError `download_failed`, `checksum_mismatch`.
 */
export async function openPreset(name: PresetName, progress?: FetchProgress): Promise<Preset> {
  const folder = packagePath(`models/${name}`);
  const model = name === "nano" ? folder : await fetchSmolLM2(progress === undefined ? {} : { progress });
  return {
    model,
    adapters: Object.fromEntries(ADAPTERS.map((adapter) => [adapter, `${folder}/adapters/${adapter}`])),
    mixtures: { default: `${folder}/mixtures/default` },
  };
}

function packagePath(path: string): string {
  // From dist/node/ up to the package
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}
