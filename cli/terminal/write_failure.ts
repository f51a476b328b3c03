// What could not be written, said as people know it: a full disk, a closed pipe.

import { MoloraError } from "../../proto/errors.ts";

const REASONS: Readonly<Record<string, [why: string, remedy: string]>> = {
  EPIPE: ["its reader is gone", "Let the reader take all of the output, or write it to a file."],
  ENOSPC: ["the disk is full", "Free some space, or write somewhere else."],
  EDQUOT: ["the disk quota is used up", "Free some space, or write somewhere else."],
  EFBIG: ["the file became larger than its file system takes", "Write somewhere else."],
  EIO: ["the disk reports an error", "Check the disk, or write somewhere else."],
  EROFS: ["the file system is read-only", "Write somewhere else."],
};

/** What to tell of a failed write; undefined: it was something else that failed. */
export function writeFailure(thrown: unknown, what?: string): MoloraError | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { code, path } = thrown as NodeJS.ErrnoException;
  const reason = code === undefined ? undefined : REASONS[code];
  if (reason === undefined) return writeFailure(thrown.cause, what);
  const [why, remedy] = reason;
  const name = what ?? path ?? "the output";
  return new MoloraError("output_failed", `${name} cannot be written: ${why} (${code})`, { remedy, cause: thrown });
}
