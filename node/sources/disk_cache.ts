// Files that were fetched, kept on this machine's disk by their content, within a budget of bytes.
// What is read back is checked; what is damaged counts as absent. Losing any of it costs a download, no more.

import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DiskReport } from "../../proto/api.ts";

/** The rest of a killed write is removed after this long. A younger one may belong to a process that runs. */
const ABANDONED_AFTER_MS = 3600_000;

interface Blob {
  bytes: number;
  /** By #now(), kept as the file's time of change so that it outlives the process. Only its order counts. */
  used: number;
}

/**
 * `blobs/` holds contents by their SHA-256, `notes/` small JSON texts by the SHA-256 of what they are about. Each file is written
 * beside its place, synced and moved there, so that a process may be killed at any time, and several may share the folder.
 */
export class DiskCache {
  readonly #folder: string;
  readonly #budget: number;
  readonly #blobs = new Map<string, Blob>();
  readonly #told: (problem: string) => void;
  readonly #opened: Promise<void>;
  /** The latest use that is known. */
  #latest = 0;
  readonly #stats = { hits: 0, misses: 0, damaged: 0, evictions: 0 };

  /** `told`: hears why something could not be kept (a full disk, say); nothing else comes of it. */
  constructor(folder: string, budget: number, told: (problem: string) => void = () => {}) {
    this.#folder = folder;
    this.#budget = budget;
    this.#told = told;
    this.#opened = this.#open();
  }

  get stats(): DiskReport {
    return { bytes: this.#bytes(), budget: this.#budget, files: this.#blobs.size, ...this.#stats };
  }

  /** The content, or undefined where it is not kept or not whole any more. */
  async get(sha256: string): Promise<Uint8Array | undefined> {
    await this.#opened;
    const bytes = await readFile(this.#blobPath(sha256)).catch(() => undefined);
    if (bytes === undefined) {
      this.#blobs.delete(sha256);
      this.#stats.misses++;
      return undefined;
    }
    if (hashOf(bytes) !== sha256) {
      this.#stats.damaged++;
      this.#stats.misses++;
      this.#told(`${this.#blobPath(sha256)} is damaged, and fetched anew`);
      await this.#remove(sha256);
      return undefined;
    }
    this.#stats.hits++;
    await this.#touch(sha256, bytes.length);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Keeps a content, and gives its SHA-256. Never throws: what cannot be kept is fetched again some day. */
  async put(bytes: Uint8Array): Promise<string> {
    await this.#opened;
    const sha256 = hashOf(bytes);
    if (this.#blobs.has(sha256)) return sha256;
    if (bytes.length > this.#budget) return sha256;
    // A place first, so that the budget holds at every moment.
    const used = this.#now();
    this.#blobs.set(sha256, { bytes: bytes.length, used });
    await this.#evict(sha256);
    try {
      await this.#write(this.#blobPath(sha256), bytes);
      await utimes(this.#blobPath(sha256), used / 1000, used / 1000);
    } catch (error) {
      this.#blobs.delete(sha256);
      this.#told(`${this.#folder} cannot keep a file (${reason(error)})`);
    }
    return sha256;
  }

  /** A text noted about something, or undefined. */
  async note(about: string): Promise<unknown> {
    const text = await readFile(this.#notePath(about), "utf8").catch(() => undefined);
    try {
      return text === undefined ? undefined : JSON.parse(text);
    } catch {
      return undefined; // damaged
    }
  }

  async setNote(about: string, value: unknown): Promise<void> {
    try {
      await this.#write(this.#notePath(about), Buffer.from(JSON.stringify(value)));
    } catch (error) {
      this.#told(`${this.#folder} cannot keep a note (${reason(error)})`);
    }
  }

  async #open(): Promise<void> {
    for (const name of await readdir(join(this.#folder, "blobs")).catch(() => [] as string[])) {
      const path = join(this.#folder, "blobs", name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined) continue;
      if (/^[0-9a-f]{64}$/.test(name)) {
        this.#blobs.set(name, { bytes: found.size, used: found.mtimeMs });
        this.#latest = Math.max(this.#latest, found.mtimeMs);
      }
      if (name.endsWith(".part") && Math.abs(Date.now() - found.mtimeMs) > ABANDONED_AFTER_MS) {
        await rm(path, { force: true });
      }
    }
    await this.#evict();
  }

  /** Removes what was longest unused until the budget holds; `but` stays. */
  async #evict(but?: string): Promise<void> {
    const oldest = [...this.#blobs].filter(([key]) => key !== but).sort(([, a], [, b]) => a.used - b.used);
    for (const [key] of oldest) {
      if (this.#bytes() <= this.#budget) return;
      this.#stats.evictions++;
      await this.#remove(key);
    }
  }

  async #touch(sha256: string, bytes: number): Promise<void> {
    const now = this.#now();
    this.#blobs.set(sha256, { bytes, used: now });
    await utimes(this.#blobPath(sha256), now / 1000, now / 1000).catch(() => {});
  }

  /** Later than every use so far: the machine's clock as long as it goes on, and one more where it was put back. */
  #now(): number {
    this.#latest = Math.max(Date.now(), this.#latest + 1);
    return this.#latest;
  }

  async #remove(sha256: string): Promise<void> {
    this.#blobs.delete(sha256);
    await rm(this.#blobPath(sha256), { force: true }).catch(() => {});
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    await mkdir(join(path, ".."), { recursive: true });
    const part = `${path}.${process.pid}.${randomBytes(4).toString("hex")}.part`;
    try {
      const file = await open(part, "wx");
      try {
        await writeFile(file, bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(part, path);
    } catch (error) {
      await rm(part, { force: true }).catch(() => {});
      throw error;
    }
  }

  #bytes(): number {
    let sum = 0;
    for (const { bytes } of this.#blobs.values()) sum += bytes;
    return sum;
  }

  #blobPath(sha256: string): string {
    return join(this.#folder, "blobs", sha256);
  }

  #notePath(about: string): string {
    return join(this.#folder, "notes", `${hashOf(Buffer.from(about))}.json`);
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function reason(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
