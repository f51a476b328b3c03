// What a path or a reference to a hub names, opened to be inspected: of a hub's files only what is looked at is fetched.

import type { ByteSource, SourceFolder } from "../../files/source.ts";
import { openPath } from "../../node/files.ts";
import { formatHubReference, isHubReference, parseHubReference } from "../../node/hub/reference.ts";
import { RemoteFile, RemoteFolder } from "../../node/hub/remote.ts";
import { Snapshots } from "../../node/hub/snapshot.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Inspection } from "./inspection.ts";

export interface Opened {
  /** As commands take it. */
  path: string;
  from: ByteSource | SourceFolder;
}

/** @throws MoloraError where there is nothing */
export async function open(path: string): Promise<Opened> {
  if (!isHubReference(path)) return { path, from: await openPath(path) };
  const snapshots = new Snapshots();
  const pinned = await snapshots.pin(parseHubReference(path));
  const files = await snapshots.list(pinned);
  const place = { hub: snapshots.hub, repo: pinned.repo, commit: pinned.revision, files };
  const file = files.find((candidate) => candidate.path === pinned.path);
  if (file !== undefined) return { path: formatHubReference(pinned), from: new RemoteFile(place, file) };
  const folder = new RemoteFolder(place, pinned.path ?? "");
  if ((await folder.list()).length > 0) return { path: formatHubReference(pinned), from: folder };
  throw new MoloraError("file_not_found", `${pinned.repo} holds no ${pinned.path ?? "files"}`, {
    remedy: `It holds: ${files
      .map((one) => one.path)
      .slice(0, 12)
      .join(", ")}.`,
  });
}

/** The file itself, or those directly inside. */
export async function filesOf({ path, from }: Opened): Promise<Inspection["files"]> {
  if ("read" in from) return [{ path: path.split(/[/:]/).at(-1)!, bytes: from.size }];
  const names = (await from.list()).sort();
  return Promise.all(names.map(async (name) => ({ path: name, bytes: (await from.open(name))?.size ?? 0 })));
}

export function bytesOf(files: Inspection["files"]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
