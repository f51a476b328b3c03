// Folders in a container of Azure Blob Storage: public, or with a shared access signature.

import type { Ask, HttpReader } from "./http_reader.ts";
import { readFileOf } from "./s3_store.ts";
import { joined, type RemoteFile, type Store } from "./store.ts";
import { elements, textOf } from "./xml.ts";

export interface AzurePlace {
  /** "https://account.blob.core.windows.net"; AZURE_STORAGE_BLOB_ENDPOINT names another. */
  endpoint: string;
  container: string;
  prefix: string;
  /** "sv=…&sig=…" */
  sas: string | undefined;
}

const MOST_PAGES = 10;
const VERSION = "2021-12-02";
const REMEDY =
  "Set AZURE_STORAGE_SAS_TOKEN, or AZURE_STORAGE_SAS_TOKEN_FILE, to a signature with the permissions r and l.";

export class AzureStore implements Store {
  readonly #reader: HttpReader;
  readonly #place: AzurePlace;

  constructor(reader: HttpReader, place: AzurePlace) {
    this.#reader = reader;
    this.#place = place;
  }

  async list(signal?: AbortSignal): Promise<RemoteFile[]> {
    const prefix = this.#place.prefix === "" ? "" : `${this.#place.prefix}/`;
    const files: RemoteFile[] = [];
    let marker: string | undefined;
    for (let page = 0; page < MOST_PAGES; page++) {
      const url = this.#url("");
      const query = { restype: "container", comp: "list", prefix, delimiter: "/", ...(marker ? { marker } : {}) };
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      const answer = await this.#reader.read(this.#ask(url), signal);
      if (answer === undefined) throw this.#reader.gone(this.#ask(url), "there is no such container");
      const xml = new TextDecoder().decode(answer.bytes);
      files.push(...elements(xml, "Blob").flatMap((entry) => fileOf(entry, prefix)));
      marker = textOf(xml, "NextMarker") || undefined;
      if (marker === undefined) break;
    }
    return files;
  }

  async read(file: RemoteFile, signal?: AbortSignal): Promise<Uint8Array> {
    const key = joined(this.#place.prefix, file.path);
    const ask = this.#ask(this.#url(`/${key.split("/").map(encodeURIComponent).join("/")}`));
    return readFileOf(this.#reader, { ...ask, bytes: file.bytes, digest: file.digest }, signal);
  }

  #url(path: string): URL {
    const { endpoint, container } = this.#place;
    return new URL(`${endpoint.replace(/\/+$/, "")}/${container}${path}`);
  }

  #ask(url: URL): Ask {
    const { sas } = this.#place;
    return {
      url,
      remedy: REMEDY,
      async authorize(target) {
        const signed = new URL(target);
        for (const [name, value] of new URLSearchParams(sas ?? "")) signed.searchParams.set(name, value);
        return { url: signed, headers: { "x-ms-version": VERSION } };
      },
    };
  }
}

function fileOf(entry: string, prefix: string): RemoteFile[] {
  const name = textOf(entry, "Name") ?? "";
  const path = name.slice(prefix.length);
  if (!name.startsWith(prefix) || path === "" || path.endsWith("/")) return [];
  const md5 = textOf(entry, "Content-MD5");
  const file: RemoteFile = {
    path,
    bytes: Number(textOf(entry, "Content-Length")),
    version: textOf(entry, "Etag") ?? "",
  };
  const digest = { algorithm: "md5" as const, hex: Buffer.from(md5 ?? "", "base64").toString("hex") };
  return [{ ...file, ...(md5 ? { digest } : {}) }];
}
