// Gathers the experts of a new mixture: from `--adapter`, a short name's adapters, or a mixture that is extended.

import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { nodeHost } from "../../node/host.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Mixture } from "../../router/mixture.ts";
import { loadAdapterFolder, loadMixtureFolder } from "../../training/frozen/load.ts";
import type { NamedPath } from "../flags/flags.ts";
import { FetchBar } from "../terminal/fetch_bar.ts";
import type { Output } from "../terminal/output.ts";
import type { WrittenExpert } from "./mixture_folder.ts";

export interface GatheredExperts {
  /** In the order of the router's outputs. */
  experts: WrittenExpert[];
  adapters: Adapter[];
  /** The mixture that is extended, if any. */
  extended: Mixture | undefined;
}

/** @throws MoloraError `bad_arguments` for a name that is taken, and as loading an adapter or a mixture does. */
export async function gatherExperts(
  config: ModelConfig,
  given: readonly NamedPath[],
  extend: string | undefined,
  output: Output,
): Promise<GatheredExperts> {
  const host = nodeHost(new FetchBar(output.streams.stderr).update);
  const fresh: Adapter[] = [];
  for (const { name, path } of given) fresh.push(await loadAdapterFolder(host, name, path, config));
  const written = fresh.map((adapter, i) => toExpert(adapter, given[i].path));
  if (extend === undefined) return { experts: written, adapters: fresh, extended: undefined };
  const { mixture, adapters } = await loadMixtureFolder(host, "extended", extend, config);
  const clash = fresh.find(({ name }) => mixture.experts.some((expert) => expert.name === name));
  if (clash !== undefined) {
    throw new MoloraError("bad_arguments", `${extend} has an expert "${clash.name}" already`, {
      remedy: "Give the new adapter another name.",
    });
  }
  const old = mixture.experts.map(({ name, adapter }): WrittenExpert => {
    const loaded = adapters.find((candidate) => candidate.name === name);
    return adapter === undefined || loaded === undefined ? { name } : toExpert(loaded, host.resolve(extend, adapter));
  });
  return { experts: [...old, ...written], adapters: [...adapters, ...fresh], extended: mixture };
}

function toExpert(adapter: Adapter, path: string): WrittenExpert {
  return { name: adapter.name, adapter: { path, sha256: adapter.hash } };
}

/** @throws MoloraError `bad_arguments` for a name that no expert has. */
export function expertIndex(name: string, experts: readonly string[]): number {
  const index = experts.indexOf(name);
  if (index >= 0) return index;
  throw new MoloraError("bad_arguments", `no expert is named "${name}"`, {
    remedy: `There are: ${experts.join(", ")}.`,
  });
}
