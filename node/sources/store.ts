// A folder of a remote place, whatever protocol that speaks: its files, and their bytes.

/** A hash that the place states of a file. */
export interface Digest {
  algorithm: "md5" | "sha256";
  /** Lower-case. */
  hex: string;
}

export interface RemoteFile {
  /** Relative to the folder. */
  path: string;
  /** Undefined where the place does not say before it sends. */
  bytes: number | undefined;
  /** Differs where the content does: an ETag, a hash, a date. */
  version: string;
  digest?: Digest;
  /** The file is a tar that holds the folder. */
  archive?: boolean;
}

export interface Store {
  /** Files directly in it; none where there is no such folder. @throws MoloraError `download_failed` where it cannot be asked */
  list(signal?: AbortSignal): Promise<RemoteFile[]>;
  /** A file's bytes, as many as were stated. @throws MoloraError `download_failed`, `checksum_mismatch`, `header_too_large` */
  read(file: RemoteFile, signal?: AbortSignal): Promise<Uint8Array>;
}

/** A path made of parts, without empty ones. */
export function joined(...parts: string[]): string {
  return parts.filter((part) => part !== "").join("/");
}
