// The flags that say where adapters come from that nobody has loaded, and how much of what is kept.

import type { LoadOptions } from "../../node/index.ts";
import type { FlagValues } from "./arguments.ts";
import { choice, integer, list, text } from "./flags.ts";

export const SOURCE_FLAGS = {
  adapters: list(
    "DIR",
    "Serve every folder in it by its name, an adapter or a mixture, read when somebody asks for it",
  ),
  source: list("URL", "The same of s3://, gs://, az://, hf: or https://, after --adapters and in the order given"),
  allowSource: list("URL", "Addresses below which a request may name a folder itself: BASE|s3://bucket/x"),
  hostCacheBytes: integer(
    "N",
    "Host memory for adapters; beyond it those nobody uses are read again (default: no limit)",
    {
      min: 1,
    },
  ),
  diskCache: text("DIR", "Keeps what was fetched (default: adapters/ in the cache folder)"),
  diskCacheBytes: integer("N", "Bytes of it (default: 20 GiB)", { min: 1 }),
  sourceFileBytes: integer("N", "Longest file that is fetched (default: 1 GiB)", { min: 1 }),
  eviction: choice(["lru", "popular"], "Which adapters give way: used longest ago, or least popular of late", "lru"),
};

/** Options of the engine out of the flags; `told` hears what an operator should know. */
export function sourceOptions(flags: FlagValues<typeof SOURCE_FLAGS>, told: (problem: string) => void) {
  const { hostCacheBytes, diskCache, diskCacheBytes, sourceFileBytes } = flags;
  return {
    sources: [...flags.adapters, ...flags.source],
    allowSources: flags.allowSource,
    eviction: flags.eviction,
    onSourceProblem: told,
    ...(hostCacheBytes === undefined ? {} : { hostCacheBytes }),
    ...(diskCache === undefined ? {} : { diskCache }),
    ...(diskCacheBytes === undefined ? {} : { diskCacheBytes }),
    ...(sourceFileBytes === undefined ? {} : { sourceFileBytes }),
  } satisfies Partial<LoadOptions>;
}
