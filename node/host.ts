// Node as the engine's host: Dawn or worker threads for the device, the file system for models, sources for adapters by name.

import type { Host } from "../engine/host.ts";
import { MoloraError } from "../proto/errors.ts";
import { openNodeDevice } from "./device.ts";
import { openPath } from "./files.ts";
import { openGrammarThread } from "./grammar_thread.ts";
import { isRemote, resolveLocator } from "./sources/locator.ts";
import type { Sources } from "./sources/name_sources.ts";

/** `sources`: where names are looked up that nobody loaded. Without them no remote address is opened. */
export function nodeHost(sources?: Sources): Host {
  return {
    openDevice: openNodeDevice,
    openGrammarThread,
    async open(path) {
      if (!isRemote(path)) return openPath(path);
      if (sources !== undefined) return sources.open(path);
      throw new MoloraError(
        "not_permitted",
        `${JSON.stringify(path.slice(0, 200))} is not among the sources of this engine`,
        {
          remedy: "Name a source that it lies in (--source).",
        },
      );
    },
    resolve: resolveLocator,
    ...(sources === undefined ? {} : { sources }),
  };
}
