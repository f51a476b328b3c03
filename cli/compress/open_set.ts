// Opens a whole compressed set, to add adapters to it.

import type { CompressedAdapters } from "../../composition/compress/compress.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { readCompressed, readCompressedSet } from "../../files/lora/compressed.ts";
import type { CompressedAdapter } from "../../files/lora/compressed_adapter.ts";
import { nodeHost } from "../../node/host.ts";
import { MoloraError } from "../../proto/errors.ts";

export interface OpenedSet extends CompressedAdapters {
  adapters: CompressedAdapter[];
  /** Names, and hashes of what the adapters were made from. */
  origins: { name: string; sha256: string }[];
  /** The largest among its factors. */
  rank: number;
}

/** @throws MoloraError as `readCompressed` does */
export async function openCompressedSet(path: string, config: ModelConfig): Promise<OpenedSet> {
  const folder = await nodeHost().open(path);
  if (!("list" in folder)) {
    throw new MoloraError("file_not_found", `${path} is a file`, { remedy: "Name the folder it lies in." });
  }
  const set = await readCompressedSet(folder, config);
  const adapters: CompressedAdapter[] = [];
  for (const { name } of set.adapters) adapters.push(await readCompressed(name, folder, config));
  const factors = set.clusters.map((_, c) => {
    const member = set.adapters.findIndex(({ cluster }) => cluster === c);
    if (member >= 0) return adapters[member].compressed.shared.layers;
    throw new MoloraError("config_invalid", `${path}: no adapter belongs to cluster ${c}`);
  });
  return {
    adapters,
    core: set.core,
    factors,
    members: set.adapters.map(({ cluster, error }, i) => ({ cluster, error, cores: adapters[i].compressed.cores })),
    origins: set.adapters.map(({ name, sha256 }) => ({ name, sha256 })),
    rank: Math.max(...adapters.flatMap(({ report }) => report.ranks)),
  };
}
