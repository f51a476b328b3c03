// A folder of a remote place as the engine reads it: files are fetched when they are opened, from the disk cache if it has them.

import { MemoryFolder, MemorySource, type SourceFolder } from "../../files/source.ts";
import { MoloraError } from "../../proto/errors.ts";
import { unpackArchive } from "./archive.ts";
import type { DiskCache } from "./disk_cache.ts";
import type { RemoteFile, Store } from "./store.ts";

export interface RemoteParts {
  store: Store;
  /** Its address, for messages and as the cache's key. */
  name: string;
  cache: DiskCache | undefined;
  /** Bytes that an archive may unpack to. */
  maxFileBytes: number;
  signal?: AbortSignal;
  told?: (problem: string) => void;
}

/**
 * Undefined where the place has no such folder. Where the place cannot be asked and the cache knows what it said last, that is
 * taken, and `told` hears of it.
 *
 * @throws MoloraError `download_failed`
 */
export async function openRemoteFolder(parts: RemoteParts): Promise<SourceFolder | undefined> {
  const files = await listing(parts);
  if (files.length === 0) return undefined;
  const [only] = files;
  if (only.archive) return archiveFolder(parts, only);
  const byPath = new Map(files.map((file) => [file.path, file]));
  return {
    name: parts.name,
    list: async () => [...byPath.keys()],
    async open(path) {
      const file = byPath.get(path);
      return file && new MemorySource(`${parts.name}/${path}`, await fetched(parts, file));
    },
  };
}

async function listing({ store, name, cache, signal, told }: RemoteParts): Promise<RemoteFile[]> {
  const about = `listing ${name}`;
  try {
    const files = await store.list(signal);
    if (files.length > 0) await cache?.setNote(about, files);
    return files;
  } catch (thrown) {
    const error = MoloraError.from(thrown);
    if (error.code !== "download_failed") throw error;
    const known = await cache?.note(about);
    if (!isListing(known)) throw error;
    told?.(`${name} cannot be asked, so what it held last is taken from the disk cache: ${error.message}`);
    return known;
  }
}

async function fetched({ store, name, cache, signal }: RemoteParts, file: RemoteFile): Promise<Uint8Array> {
  // A version that is not stated cannot be told from another.
  const about = file.version === "" ? undefined : `${name} ${file.path} ${file.version} ${file.bytes}`;
  const known = cache && about && (await cache.note(about));
  const sha256 = file.digest?.algorithm === "sha256" ? file.digest.hex : typeof known === "string" ? known : undefined;
  const kept = sha256 === undefined ? undefined : await cache?.get(sha256);
  if (kept !== undefined) return kept;
  const bytes = await store.read(file, signal);
  if (cache === undefined) return bytes;
  const found = await cache.put(bytes);
  if (about !== undefined) await cache.setNote(about, found);
  return bytes;
}

async function archiveFolder(parts: RemoteParts, file: RemoteFile): Promise<SourceFolder> {
  const { name, maxFileBytes } = parts;
  const files = await unpackArchive(name, await fetched(parts, file), maxFileBytes);
  return new MemoryFolder(name, files);
}

function isListing(value: unknown): value is RemoteFile[] {
  return (
    Array.isArray(value) && value.every((file) => typeof file?.path === "string" && typeof file.version === "string")
  );
}
