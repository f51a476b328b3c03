// Node as the engine's host: Dawn or worker threads for the device; the file system, a hub and other sources for models and adapters.

import type { Host } from "../engine/host.ts";
import { MoloraError } from "../proto/errors.ts";
import { openNodeDevice, settledDevice } from "./device.ts";
import type { FetchProgress } from "./download.ts";
import { freeBytes } from "./free_bytes.ts";
import { openGrammarThread } from "./grammar_thread.ts";
import { hubOpener } from "./hub/open.ts";
import { isHubReference } from "./hub/reference.ts";
import { identityOf } from "./identity.ts";
import { openMergeCrew } from "./merge_crew.ts";
import { isRemote, resolveLocator } from "./sources/locator.ts";
import type { Sources } from "./sources/name_sources.ts";

/**
 * `onFetch` is called while something named on a hub is downloaded. `sources`: where names are looked up that nobody loaded, and
 * the only addresses that are opened beside the hub's.
 */
export function nodeHost(onFetch?: FetchProgress, sources?: Sources): Host {
  const { locate, open: openHubOrPath } = hubOpener(onFetch);
  return {
    openDevice: openNodeDevice,
    openGrammarThread,
    openMergeCrew: () => openMergeCrew(),
    freeBytes,
    async identify(model, options) {
      if (isRemote(model) && !isHubReference(model)) return undefined;
      const files = await identityOf(await locate(model));
      return files && JSON.stringify([settledDevice(options), files]);
    },
    async open(path) {
      if (!isRemote(path) || isHubReference(path)) return openHubOrPath(path);
      if (sources !== undefined) return sources.open(path);
      const shown = JSON.stringify(path.slice(0, 200));
      throw new MoloraError("not_permitted", `${shown} is not among the sources of this engine`, {
        remedy: "Name a source that it lies in (--source).",
      });
    },
    resolve: resolveLocator,
    ...(sources === undefined ? {} : { sources }),
  };
}
