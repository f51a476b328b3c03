// Files and folders of this machine as byte sources, for Node.
// The engine sees them only through its host (engine/host.ts), so that it also runs in a browser.

import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, normalize, sep } from "node:path";
import { type ByteSource, checkRange, type SourceFolder } from "../files/source.ts";
import { MoloraError } from "../proto/errors.ts";

/** Loading reads in bursts; a file is held open for this many milliseconds after a read, and nobody has to close it. */
const IDLE_MS = 500;

/** A regular file, read at positions. Reads may run concurrently. */
export class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #path: string;
  #handle: Promise<FileHandle> | undefined;
  #reading = 0;
  #idle: NodeJS.Timeout | undefined;

  private constructor(path: string, size: number) {
    this.name = path;
    this.size = size;
    this.#path = path;
  }

  /** Opens a file; undefined where there is no such regular file. */
  static async open(path: string): Promise<FileSource | undefined> {
    const found = await statIfThere(path);
    return found?.isFile() ? new FileSource(path, found.size) : undefined;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    const bytes = new Uint8Array(length);
    clearTimeout(this.#idle);
    this.#reading++;
    try {
      this.#handle ??= open(this.#path);
      const handle = await this.#handle;
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0) throw shortened(this.name);
        done += bytesRead;
      }
      return bytes;
    } catch (error) {
      throw asFileError(this.name, error);
    } finally {
      this.#reading--;
      if (this.#reading === 0) this.#idle = setTimeout(() => this.#close(), IDLE_MS).unref();
    }
  }

  readonly beside = (name: string): Promise<ByteSource | undefined> =>
    new DirectoryFolder(dirname(this.#path)).open(name);

  #close(): void {
    const handle = this.#handle;
    this.#handle = undefined;
    // A file that could not be opened has already failed the read that wanted it.
    handle?.then((file) => file.close()).catch(() => undefined);
  }
}

/** A folder. Paths that lead out of it are refused; links in it are followed, as model caches are made of links. */
export class DirectoryFolder implements SourceFolder {
  readonly name: string;

  constructor(path: string) {
    this.name = path;
  }

  async open(path: string): Promise<ByteSource | undefined> {
    const inside = normalize(path);
    if (isAbsolute(inside) || inside === ".." || inside.startsWith(`..${sep}`) || inside.includes("\0")) {
      throw new MoloraError("not_permitted", `${path} leads out of ${this.name}`, {
        remedy: "Name a file inside the folder.",
      });
    }
    return FileSource.open(join(this.name, inside));
  }

  async list(): Promise<string[]> {
    try {
      const entries = await readdir(this.name, { withFileTypes: true });
      return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
    } catch (error) {
      throw asFileError(this.name, error);
    }
  }
}

/**
 * A file or a folder by its path.
 *
 * @throws MoloraError `file_not_found`, `not_permitted`
 */
export async function openPath(path: string): Promise<ByteSource | SourceFolder> {
  const found = await statIfThere(path);
  if (found?.isDirectory()) return new DirectoryFolder(path);
  const file = found?.isFile() ? await FileSource.open(path) : undefined;
  if (file) return file;
  throw new MoloraError("file_not_found", `there is no file or folder ${path}`, {
    remedy: "Check the path; a relative one counts from the folder the program was started in.",
    details: { path },
  });
}

async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    throw asFileError(path, error);
  }
}

function shortened(name: string): MoloraError {
  return new MoloraError("file_truncated", `${name} became shorter while it was read`, {
    remedy: "Wait until the file is complete, then load it again.",
  });
}

/** The operating system's refusal as a MoloraError. */
function asFileError(path: string, error: unknown): MoloraError {
  if (MoloraError.is(error)) return error;
  const code = errorCode(error);
  if (code === "EACCES" || code === "EPERM") {
    return new MoloraError("not_permitted", `${path} may not be read`, {
      remedy: "Check its permissions.",
      cause: error,
    });
  }
  return new MoloraError("file_not_found", `${path} cannot be read (${code ?? error})`, {
    remedy: "Check that the file is there and its disk is sound.",
    cause: error,
  });
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
