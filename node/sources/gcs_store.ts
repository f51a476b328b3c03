// Folders in a bucket of Google Cloud Storage by its JSON interface: public, or with an OAuth token.
// With HMAC keys the bucket speaks S3, and s3_store.ts reads it.

import type { Ask, HttpReader } from "./http_reader.ts";
import { readFileOf } from "./s3_store.ts";
import { joined, type RemoteFile, type Store } from "./store.ts";

export interface GcsPlace {
  /** "https://storage.googleapis.com"; STORAGE_EMULATOR_HOST names another, as for Google's own libraries. */
  endpoint: string;
  bucket: string;
  prefix: string;
  token: string | undefined;
}

const MOST_PAGES = 10;
const REMEDY =
  "Set GS_ACCESS_KEY_ID and GS_SECRET_ACCESS_KEY (HMAC), or GOOGLE_OAUTH_ACCESS_TOKEN, of somebody who may read the bucket.";

export class GcsStore implements Store {
  readonly #reader: HttpReader;
  readonly #place: GcsPlace;

  constructor(reader: HttpReader, place: GcsPlace) {
    this.#reader = reader;
    this.#place = place;
  }

  async list(signal?: AbortSignal): Promise<RemoteFile[]> {
    const { endpoint, bucket } = this.#place;
    const prefix = this.#place.prefix === "" ? "" : `${this.#place.prefix}/`;
    const files: RemoteFile[] = [];
    let token: string | undefined;
    for (let page = 0; page < MOST_PAGES; page++) {
      const url = new URL(`${endpoint}/storage/v1/b/${bucket}/o`);
      url.searchParams.set("prefix", prefix);
      url.searchParams.set("delimiter", "/");
      if (token !== undefined) url.searchParams.set("pageToken", token);
      const answer = await this.#reader.read(this.#ask(url), signal);
      if (answer === undefined) throw this.#reader.gone(this.#ask(url), "there is no such bucket");
      const { items = [], nextPageToken } = JSON.parse(new TextDecoder().decode(answer.bytes)) as Listing;
      files.push(...items.flatMap((item) => fileOf(item, prefix)));
      token = nextPageToken;
      if (token === undefined) break;
    }
    return files;
  }

  async read(file: RemoteFile, signal?: AbortSignal): Promise<Uint8Array> {
    const { endpoint, bucket } = this.#place;
    const key = encodeURIComponent(joined(this.#place.prefix, file.path));
    const url = new URL(`${endpoint}/download/storage/v1/b/${bucket}/o/${key}?alt=media`);
    return readFileOf(this.#reader, { ...this.#ask(url), bytes: file.bytes, digest: file.digest }, signal);
  }

  #ask(url: URL): Ask {
    const { token } = this.#place;
    const authorize = async (target: URL) => ({ url: target, headers: { authorization: `Bearer ${token}` } });
    return { url, remedy: REMEDY, ...(token === undefined ? {} : { authorize }) };
  }
}

/** What of a listing is read (https://cloud.google.com/storage/docs/json_api/v1/objects/list). */
interface Listing {
  items?: { name?: string; size?: string; generation?: string; etag?: string; md5Hash?: string }[];
  nextPageToken?: string;
}

function fileOf({ name = "", size, generation, etag, md5Hash }: NonNullable<Listing["items"]>[number], prefix: string) {
  const path = name.slice(prefix.length);
  if (!name.startsWith(prefix) || path === "" || path.endsWith("/")) return [];
  const digest = { algorithm: "md5" as const, hex: Buffer.from(md5Hash ?? "", "base64").toString("hex") };
  const file: RemoteFile = { path, bytes: Number(size), version: joined(generation ?? "", md5Hash ?? etag ?? "") };
  return [{ ...file, ...(md5Hash === undefined ? {} : { digest }) }];
}
