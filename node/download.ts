// Writes a stream of bytes as a file that is exactly the wanted one: whole, checked, and put in place in one move.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MoloraError } from "../proto/errors.ts";

/** A file whose every byte is known beforehand. */
export interface PinnedFile {
  name: string;
  bytes: number;
  /** SHA-256, lower-case hex. */
  sha256: string;
}

/** Called as a download goes on; `source` says where from. */
export type FetchProgress = (event: { source: string; received: number; total: number }) => void;

/** Bytes received so far, of all. */
export type ReceiveProgress = (received: number, total: number) => void;

/** The rest of a killed download is removed after this long. A younger one may belong to a download that runs. */
const ABANDONED_AFTER_MS = 6 * 3600_000;

/** Whether `path` is the wanted file, by size and then by checksum. */
export async function isFile(path: string, wanted: PinnedFile): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  if (found === null || found.size !== wanted.bytes) return false;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest("hex") === wanted.sha256;
}

/**
 * Writes `stream` beside `path`, checks it and moves it there; a file that fails leaves nothing behind.
 *
 * @throws MoloraError `checksum_mismatch` when the bytes are others than wanted, or more.
 */
export async function receive(
  stream: AsyncIterable<Uint8Array>,
  path: string,
  wanted: PinnedFile,
  progress: ReceiveProgress = () => {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await removeAbandoned(path);
  const part = `${path}.${process.pid}.part`;
  const hash = createHash("sha256");
  let received = 0;
  try {
    const file = await open(part, "w");
    try {
      for await (const chunk of stream) {
        received += chunk.length;
        if (received > wanted.bytes) throw mismatch(wanted, `more than its ${wanted.bytes} bytes came`);
        hash.update(chunk);
        await file.writeFile(chunk);
        progress(received, wanted.bytes);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    if (received < wanted.bytes) throw mismatch(wanted, `${received} of its ${wanted.bytes} bytes came`);
    const digest = hash.digest("hex");
    if (digest !== wanted.sha256) throw mismatch(wanted, `its SHA-256 is ${digest}, not ${wanted.sha256}`);
    await rename(part, path);
  } finally {
    await rm(part, { force: true });
  }
}

function mismatch(wanted: PinnedFile, why: string): MoloraError {
  return new MoloraError("checksum_mismatch", `${wanted.name} is not the file that was wanted: ${why}`, {
    remedy: "Run the command again; if it stays so, something between here and the source changes the file.",
    details: { file: wanted.name, bytes: wanted.bytes, sha256: wanted.sha256 },
  });
}

async function removeAbandoned(path: string): Promise<void> {
  const folder = dirname(path);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(path)}.`) || !name.endsWith(".part")) continue;
    const part = join(folder, name);
    const found = await stat(part).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > ABANDONED_AFTER_MS) await rm(part, { force: true });
  }
}
