// Files at URLs as byte sources. What is read once is kept by the page's own HTTP cache, not here.

import { type ByteSource, checkRange, MemorySource, type SourceFolder } from "../files/source.ts";
import { MoloraError } from "../proto/errors.ts";

/** What marks a folder of each kind, and what the engine looks for in one: a server lists no folders. */
const KINDS = [
  { mark: "adapter_config.json", others: ["adapter_model.safetensors"] },
  { mark: "config.json", others: ["model.safetensors", "model.safetensors.index.json"] },
];

/** Above this, a file is read by ranges instead of at once. */
const WHOLE_BYTES = 16 << 20;

/** A folder by its URL. */
export class UrlFolder implements SourceFolder {
  readonly name: string;

  constructor(url: string) {
    this.name = url.endsWith("/") ? url : `${url}/`;
  }

  open(path: string): Promise<ByteSource | undefined> {
    const inside = new URL(path, this.name).href;
    if (!inside.startsWith(this.name)) {
      throw new MoloraError("not_permitted", `${path} leads out of ${this.name}`, {
        remedy: "Name a file inside the folder.",
      });
    }
    return openUrl(inside);
  }

  async list(): Promise<string[]> {
    for (const { mark, others } of KINDS) {
      if ((await this.open(mark)) === undefined) continue;
      const there = await Promise.all(others.map(async (name) => ((await this.open(name)) ? [name] : [])));
      return [mark, ...there.flat()];
    }
    return [];
  }
}

/** A file; undefined where the server has none. @throws MoloraError `download_failed` */
export async function openUrl(url: string): Promise<ByteSource | undefined> {
  const head = await request(url, { method: "HEAD" });
  if (head.status === 404) return undefined;
  if (!head.ok) throw failed(url, `the server says ${head.status}`);
  const size = Number(head.headers.get("content-length"));
  const ranged = head.headers.get("accept-ranges") === "bytes";
  if (ranged && size > WHOLE_BYTES) return new UrlSource(url, size);
  const body = await request(url, {});
  if (!body.ok) throw failed(url, `the server says ${body.status}`);
  return new BesideSource(url, new Uint8Array(await body.arrayBuffer()));
}

function beside(url: string): (name: string) => Promise<ByteSource | undefined> {
  return (name) => new UrlFolder(new URL(".", url).href).open(name);
}

/** A file that was fetched whole. */
class BesideSource extends MemorySource {
  readonly beside: (name: string) => Promise<ByteSource | undefined>;

  constructor(url: string, bytes: Uint8Array) {
    super(url, bytes);
    this.beside = beside(url);
  }
}

/** A large file, read by ranges. */
class UrlSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly beside: (name: string) => Promise<ByteSource | undefined>;

  constructor(url: string, size: number) {
    this.name = url;
    this.size = size;
    this.beside = beside(url);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    const range = `bytes=${offset}-${offset + length - 1}`;
    const response = await request(this.name, { headers: { range } });
    if (response.status !== 206) throw failed(this.name, `asked for ${range}, the server says ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }
}

async function request(url: string, init: { method?: string; headers?: Record<string, string> }): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (cause) {
    throw failed(url, "the server cannot be reached, or does not allow this page to read it", cause);
  }
}

function failed(url: string, why: string, cause?: unknown): MoloraError {
  return new MoloraError("download_failed", `${url}: ${why}`, {
    remedy: "Serve the file from the page's own origin, or with CORS headers.",
    cause,
  });
}
