// One file of a hub, written beside its place and moved there once its checksum is right. What broke off goes on where it
// ended, in the same process or in the next.

import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, truncate } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MoloraError } from "../../proto/errors.ts";
import type { Hub, HubFile } from "./hub.ts";
import { innermost } from "./refusals.ts";

/** How often a stream may break off without a byte more before it is given up. */
const BREAKS = 5;
/** In a part's name: no process writes it. */
const NOBODY = 0;

export interface Wanted {
  hub: Hub;
  repo: string;
  commit: string;
  file: HubFile;
}

/**
 * Fetches `file` to `path`. `progress` is told the bytes that are there.
 *
 * @throws MoloraError `checksum_mismatch`; `download_failed`, after which the part stays for the next call; what the hub
 * refuses; `output_failed` where the disk does.
 */
export async function fetchResumed(
  wanted: Wanted,
  path: string,
  progress: (received: number) => void = () => {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const part = await claimPart(path);
  try {
    const begun = (await stat(part).catch(() => undefined))?.size ?? 0;
    if (!(await complete(wanted, part, progress))) {
      // Bytes of an earlier run can be damaged; those of this one are what the hub gives.
      await rm(part, { force: true });
      if (begun === 0 || !(await complete(wanted, part, progress))) throw mismatch(wanted);
    }
    await rename(part, path);
  } catch (error) {
    await rename(part, partOf(path, NOBODY)).catch(() => {});
    throw error;
  }
}

/** Appends what is missing. Whether the whole is the wanted file. */
async function complete(wanted: Wanted, part: string, progress: (received: number) => void): Promise<boolean> {
  const { file } = wanted;
  const hash = openHash(file);
  const begun = Math.min((await stat(part).catch(() => undefined))?.size ?? 0, file.bytes);
  if (begun > 0) {
    await truncate(part, begun);
    for await (const chunk of createReadStream(part, { highWaterMark: 1 << 20 })) hash.update(chunk);
  }
  const target = await open(part, "a");
  try {
    const whole = await append(wanted, { target, hash, received: begun, progress });
    await target.sync();
    return whole && hash.digest("hex") === file.digest.hex;
  } finally {
    await target.close();
  }
}

interface Writing {
  target: FileHandle;
  hash: Hash;
  received: number;
  progress: (received: number) => void;
}

/** False where more bytes come than the file has. */
async function append({ hub, repo, commit, file }: Wanted, { target, hash, ...writing }: Writing): Promise<boolean> {
  let { received } = writing;
  writing.progress(received);
  for (let breaks = 0; received < file.bytes; ) {
    const before = received;
    try {
      for await (const chunk of hub.bytes(repo, commit, file.path, received)) {
        if (received + chunk.length > file.bytes) return false;
        await write(target, chunk, file.path);
        hash.update(chunk);
        received += chunk.length;
        writing.progress(received);
      }
      if (received < file.bytes) throw new Error(`it ended ${file.bytes - received} bytes early`);
    } catch (error) {
      if (MoloraError.is(error)) throw error;
      breaks = received > before ? 1 : breaks + 1;
      if (breaks >= BREAKS) throw brokenOff(`${repo}:${file.path}`, received, file.bytes, error);
      await hub.pause(breaks);
    }
  }
  return true;
}

async function write(target: FileHandle, chunk: Uint8Array, name: string): Promise<void> {
  try {
    await target.writeFile(chunk);
  } catch (cause) {
    throw new MoloraError("output_failed", `${name} cannot be written: ${innermost(cause)}`, {
      remedy: "Make room on the disk, or set MOLORA_CACHE to another folder; what has come so far is kept.",
      cause,
    });
  }
}

/** Git's name of a blob is the SHA-1 of its size and its bytes. */
function openHash({ bytes, digest }: HubFile): Hash {
  return digest.algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${bytes}\0`);
}

/** The part this process writes: what another left behind, where there is something. */
async function claimPart(path: string): Promise<string> {
  const own = partOf(path, process.pid);
  const pattern = /\.(\d+)\.part$/;
  for (const name of await readdir(dirname(path))) {
    const writer = name.startsWith(`${basename(path)}.`) ? pattern.exec(name)?.[1] : undefined;
    if (writer === undefined || name !== basename(partOf(path, Number(writer)))) continue;
    if (Number(writer) === process.pid) return own;
    if (isAlive(Number(writer))) continue;
    // Whoever renames it first has it.
    if (
      await rename(join(dirname(path), name), own).then(
        () => true,
        () => false,
      )
    )
      return own;
  }
  return own;
}

function partOf(path: string, writer: number): string {
  return `${path}.${writer}.part`;
}

function isAlive(pid: number): boolean {
  if (pid === NOBODY) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function mismatch({ repo, commit, file }: Wanted): MoloraError {
  const { algorithm, hex } = file.digest;
  return new MoloraError("checksum_mismatch", `${repo}:${file.path} is not the file that the hub lists`, {
    remedy: "Run the command again; if it stays so, something between here and the hub changes the file.",
    details: { repo, commit, path: file.path, bytes: file.bytes, [algorithm]: hex },
  });
}

function brokenOff(what: string, received: number, bytes: number, cause: unknown): MoloraError {
  return new MoloraError("download_failed", `${what} broke off at ${received} of ${bytes} bytes: ${innermost(cause)}`, {
    remedy: "Run the command again: it goes on where this one ended.",
    details: { received, bytes },
    cause,
  });
}
