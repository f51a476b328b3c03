// Paths of this machine and references of a hub alike: what is named on a hub is fetched first.

import type { ByteSource, SourceFolder } from "../../files/source.ts";
import type { FetchProgress } from "../download.ts";
import { openPath } from "../files.ts";
import { isHubReference, parseHubReference } from "./reference.ts";
import { Snapshots } from "./snapshot.ts";

export interface HubOpener {
  /** The path of this machine at which something lies; what is named on a hub is fetched first. */
  locate(path: string): Promise<string>;
  open(path: string): Promise<ByteSource | SourceFolder>;
}

/** Takes paths and `hf:` references, all of one repository at one commit. */
export function hubOpener(progress?: FetchProgress): HubOpener {
  let snapshots: Snapshots | undefined;
  const locate = async (path: string) => {
    if (!isHubReference(path)) return path;
    snapshots ??= new Snapshots();
    return (await snapshots.pull(parseHubReference(path), progress)).path;
  };
  return { locate, open: async (path) => openPath(await locate(path)) };
}
