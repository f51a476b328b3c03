// Paths of this machine and references of a hub alike: what is named on a hub is fetched first.

import type { ByteSource, SourceFolder } from "../../files/source.ts";
import type { FetchProgress } from "../download.ts";
import { openPath } from "../files.ts";
import { isHubReference, parseHubReference } from "./reference.ts";
import { Snapshots } from "./snapshot.ts";

/** A function that opens paths and `hf:` references, all of one repository at one commit. */
export function hubOpener(progress?: FetchProgress): (path: string) => Promise<ByteSource | SourceFolder> {
  let snapshots: Snapshots | undefined;
  return async (path) => {
    if (!isHubReference(path)) return openPath(path);
    snapshots ??= new Snapshots();
    return openPath((await snapshots.pull(parseHubReference(path), progress)).path);
  };
}
