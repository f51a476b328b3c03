// The files of an adapter's or a mixture's folder that a client sends, by whichever way: which names and how many there may be.

import { MoloraError } from "../proto/errors.ts";

/** Bytes of the files together, where nothing else is said. */
export const DEFAULT_UPLOAD = 256 * 2 ** 20;
const MOST_FILES = 64;

/** @throws MoloraError `bad_request` for one that no folder of an adapter has, for one that comes twice, and for too many. */
export function checkPushedFile(name: string, before: ReadonlySet<string>): void {
  if (!/^[\w.-]{1,255}$/.test(name) || name.startsWith(".")) {
    throw unreadable(`${JSON.stringify(name.slice(0, 64))} is no file of an adapter`);
  }
  if (before.has(name)) throw unreadable(`${name} comes twice`);
  if (before.size === MOST_FILES) throw unreadable(`there are more than ${MOST_FILES} files`);
}

export function tooLarge(limit: number): MoloraError {
  return new MoloraError("frame_too_large", `the files are larger than ${limit} bytes`, {
    remedy: "Raise --max-upload-bytes of the server, or let it read the files from a source.",
    details: { maxUploadBytes: limit },
  });
}

function unreadable(why: string): MoloraError {
  return new MoloraError("bad_request", `the files cannot be read: ${why}`, {
    remedy: "Send the files of one adapter's or one mixture's folder, by their names.",
  });
}
