// A folder on a web server: `NAME/index.json`, which lists files, or `NAME.tar`, `NAME.tar.gz`, `NAME.tgz`.
// index.json: {"files": [{"path": "adapter_config.json", "bytes": 1166, "sha256": "…"}, …]}

import { Fields } from "../../files/fields.ts";
import { MemorySource } from "../../files/source.ts";
import type { HttpReader } from "./http_reader.ts";
import { readFileOf } from "./s3_store.ts";
import type { RemoteFile, Store } from "./store.ts";

const INDEX = "index.json";
const ARCHIVES = [".tar", ".tar.gz", ".tgz"];
const MAX_INDEX_BYTES = 4 << 20;

export class WebStore implements Store {
  readonly #reader: HttpReader;
  readonly #url: string;

  constructor(reader: HttpReader, url: string) {
    this.#reader = reader;
    this.#url = url;
  }

  async list(signal?: AbortSignal): Promise<RemoteFile[]> {
    if (ARCHIVES.some((ending) => this.#url.endsWith(ending))) return this.#archive("", signal);
    const url = new URL(`${this.#url}/${INDEX}`);
    const answer = await this.#reader.read({ url }, signal);
    if (answer !== undefined) return readIndex(url.href, answer.bytes);
    for (const ending of ARCHIVES) {
      const archive = await this.#archive(ending, signal);
      if (archive.length > 0) return archive;
    }
    return [];
  }

  async read(file: RemoteFile, signal?: AbortSignal): Promise<Uint8Array> {
    const path = file.archive ? file.path : `/${file.path.split("/").map(encodeURIComponent).join("/")}`;
    const url = new URL(this.#url + path);
    return readFileOf(this.#reader, { url, bytes: file.bytes, digest: file.digest }, signal);
  }

  async #archive(ending: string, signal?: AbortSignal): Promise<RemoteFile[]> {
    const answer = await this.#reader.head({ url: new URL(this.#url + ending) }, signal);
    if (answer === undefined) return [];
    const { headers } = answer;
    const length = headers.get("content-length");
    const version = headers.get("etag") ?? headers.get("last-modified") ?? "";
    return [{ path: ending, bytes: length === null ? undefined : Number(length), version, archive: true }];
  }
}

async function readIndex(name: string, bytes: Uint8Array): Promise<RemoteFile[]> {
  const fields = await Fields.read(new MemorySource(name, bytes), MAX_INDEX_BYTES, "header_invalid");
  return fields.objects("files").map((entry): RemoteFile => {
    const path = entry.string("path");
    if (path === "" || path.startsWith("/") || path.split("/").includes(".."))
      entry.fail("path", "a path in the folder");
    const size = entry.has("bytes") ? entry.integer("bytes", 0, Number.MAX_SAFE_INTEGER) : undefined;
    const hex = entry.string("sha256").toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(hex)) entry.fail("sha256", "64 hexadecimal digits");
    return { path, bytes: size, version: hex, digest: { algorithm: "sha256", hex } };
  });
}
