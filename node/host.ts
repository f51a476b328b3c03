// Node as the engine's host: Dawn or worker threads for the device, the file system and a hub for models.

import { resolve } from "node:path";
import type { Host } from "../engine/host.ts";
import { openNodeDevice } from "./device.ts";
import type { FetchProgress } from "./download.ts";
import { openGrammarThread } from "./grammar_thread.ts";
import { hubOpener } from "./hub/open.ts";
import { isHubReference, resolveInHub } from "./hub/reference.ts";

/** `onFetch` is called while something named on a hub is downloaded. */
export function nodeHost(onFetch?: FetchProgress): Host {
  return {
    openDevice: openNodeDevice,
    openGrammarThread,
    open: hubOpener(onFetch),
    resolve: (from, path) =>
      isHubReference(path) ? path : isHubReference(from) ? resolveInHub(from, path) : resolve(from, path),
  };
}
