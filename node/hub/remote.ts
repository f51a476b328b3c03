// A repository of a hub as a folder that is read where it is: headers come by ranges, and nothing is kept.

import { type ByteSource, checkRange, type SourceFolder } from "../../files/source.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Hub, HubFile } from "./hub.ts";

/** Small reads are answered from whole blocks. A header is read in pieces, and the next is likely to be wanted. */
const BLOCK = 1 << 20;
const MOST_BLOCKS = 32;

export interface RemotePlace {
  hub: Hub;
  repo: string;
  commit: string;
  files: readonly HubFile[];
}

/** One folder of a repository; "" is its top. */
export class RemoteFolder implements SourceFolder {
  readonly name: string;
  readonly #place: RemotePlace;
  readonly #prefix: string;

  constructor(place: RemotePlace, folder: string) {
    this.name = `hf:${place.repo}${folder === "" ? "" : `:${folder}`}`;
    this.#place = place;
    this.#prefix = folder === "" ? "" : `${folder}/`;
  }

  async open(path: string): Promise<ByteSource | undefined> {
    const file = this.#place.files.find((candidate) => candidate.path === this.#prefix + path);
    return file && new RemoteFile(this.#place, file);
  }

  async list(): Promise<string[]> {
    const inside = this.#place.files.filter(({ path }) => path.startsWith(this.#prefix));
    return inside.map(({ path }) => path.slice(this.#prefix.length)).filter((name) => !name.includes("/"));
  }
}

export class RemoteFile implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #place: RemotePlace;
  readonly #path: string;
  readonly #blocks = new Map<number, Promise<Uint8Array>>();

  constructor(place: RemotePlace, { path, bytes }: HubFile) {
    this.name = `hf:${place.repo}:${path}`;
    this.size = bytes;
    this.#place = place;
    this.#path = path;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    const first = Math.floor(offset / BLOCK);
    const last = Math.floor(Math.max(offset, offset + length - 1) / BLOCK);
    if (length === 0) return new Uint8Array(0);
    if (last - first > 1) return this.#fetch(offset, offset + length);
    const blocks = await Promise.all([...new Set([first, last])].map((block) => this.#block(block)));
    const joined = blocks.length === 1 ? blocks[0] : Buffer.concat(blocks);
    return joined.subarray(offset - first * BLOCK, offset - first * BLOCK + length);
  }

  readonly beside = (name: string): Promise<ByteSource | undefined> =>
    new RemoteFolder(this.#place, this.#path.split("/").slice(0, -1).join("/")).open(name);

  #block(index: number): Promise<Uint8Array> {
    let block = this.#blocks.get(index);
    if (block === undefined) {
      if (this.#blocks.size >= MOST_BLOCKS) this.#blocks.clear();
      block = this.#fetch(index * BLOCK, Math.min(this.size, (index + 1) * BLOCK));
      this.#blocks.set(index, block);
      block.catch(() => this.#blocks.delete(index));
    }
    return block;
  }

  async #fetch(from: number, to: number): Promise<Uint8Array> {
    const { hub, repo, commit } = this.#place;
    const bytes = new Uint8Array(to - from);
    let at = 0;
    for await (const chunk of hub.bytes(repo, commit, this.#path, from, to)) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    if (at === bytes.length) return bytes;
    throw new MoloraError("download_failed", `${this.name}: ${at} of ${bytes.length} bytes came`, {
      remedy: "Run the command again.",
    });
  }
}
