// The sources and their disk cache, out of what an application or the command line says.

import { join } from "node:path";
import { MoloraError } from "../../proto/errors.ts";
import { cacheDirectory } from "../cache.ts";
import { DiskCache } from "./disk_cache.ts";
import { isRemote } from "./locator.ts";
import { Sources } from "./name_sources.ts";
import type { Policy } from "./policy.ts";
import type { SourceSettings } from "./settings.ts";

const DISK_CACHE_BYTES = 20 * 2 ** 30;

/** `named`: paths and addresses that are loaded by name. Undefined where nothing is remote. @throws MoloraError `bad_arguments` */
export function openSources(
  settings: SourceSettings,
  named: readonly string[],
  policy: Partial<Policy> = {},
): Sources | undefined {
  const { sources = [], allowSources: allowed = [], onSourceProblem: told } = settings;
  const trusted = named.filter(isRemote);
  if (sources.length + allowed.length + trusted.length === 0) return undefined;
  const {
    diskCache = join(cacheDirectory(), "adapters"),
    diskCacheBytes = DISK_CACHE_BYTES,
    sourceFileBytes,
  } = settings;
  for (const [name, value] of Object.entries({ diskCacheBytes, sourceFileBytes })) {
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
    throw new MoloraError("bad_arguments", `${name} is ${value}`, { remedy: "Give a positive integer." });
  }
  const remote = [...sources, ...allowed, ...trusted].some(isRemote);
  return new Sources({
    sources,
    allowed,
    trusted,
    policy: { ...policy, ...(sourceFileBytes === undefined ? {} : { maxFileBytes: sourceFileBytes }) },
    ...(remote ? { cache: new DiskCache(diskCache, diskCacheBytes, told) } : {}),
    ...(told === undefined ? {} : { told }),
  });
}
