// A mixture folder with the adapters of its experts, and mixtures made for the moment, as host memory.

import type { Host } from "../../engine/host.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { plainAdapter } from "../../files/lora/compressed_adapter.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import type { SourceFolder } from "../../files/source.ts";
import { MoloraError } from "../../proto/errors.ts";
import { checkExpert } from "../../router/experts.ts";
import { readMixture } from "../../router/format.ts";
import type { Mixture, MixtureExpert, Router } from "../../router/mixture.ts";

export interface LoadedExperts {
  mixture: Mixture;
  /** Those of the experts that have one, in their order. */
  adapters: Adapter[];
}

/**
 * Reads a mixture and its experts' adapters.
 *
 * @throws what reading either raises.
 */
export async function loadMixtureFolder(
  host: Host,
  name: string,
  path: string,
  config: ModelConfig,
): Promise<LoadedExperts> {
  const mixture = await readMixture(name, await openFolder(host, path), config);
  const adapters: Adapter[] = [];
  for (const expert of mixture.experts) {
    if (expert.adapter === undefined) continue;
    const adapter = await loadAdapterFolder(host, expert.name, host.resolve(path, expert.adapter), config);
    checkExpert(expert, adapter);
    adapters.push(adapter);
  }
  return { mixture, adapters };
}

export async function loadAdapterFolder(host: Host, name: string, path: string, config: ModelConfig): Promise<Adapter> {
  const adapter = await loadAdapter(name, await host.open(path), config);
  const { invocation, vocabulary, experts } = adapter;
  // What trains, scores or merges reads factors as pairs.
  if (invocation === undefined && vocabulary === undefined && experts === undefined) return plainAdapter(adapter);
  const what = experts
    ? "extends the base's own experts"
    : invocation
      ? "is an activated LoRA"
      : "has an embedding or an output head of its own";
  throw new MoloraError("adapter_unsupported", `adapter "${name}" ${what}: no router is made for it`, {
    remedy: "Name it in requests, or take an adapter of layers only.",
  });
}

/** A mixture that was not read from files; its hash only tells it from others loaded beside it. */
export function madeMixture(
  name: string,
  { architecture, hiddenSize, numLayers }: ModelConfig,
  experts: readonly MixtureExpert[],
  router: Router,
): Mixture {
  const baseModel = { architecture, hiddenSize, numLayers };
  return { name, hash: `made/${name}`, baseModel, experts: [...experts], router };
}

async function openFolder(host: Host, path: string): Promise<SourceFolder> {
  const opened = await host.open(path);
  if ("list" in opened) return opened;
  throw new MoloraError("file_not_found", `${path} is a file`, { remedy: "Name the folder it lies in." });
}
