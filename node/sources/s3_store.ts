// Folders in a bucket that speaks S3: Amazon's, MinIO and its kind, Google's with HMAC keys.
// Listing is ListObjectsV2; requests are signed (SigV4) where there are keys, else anonymous.

import { AwsV4Signer } from "aws4fetch";
import type { KeyPair } from "./credentials.ts";
import type { Ask, HttpReader } from "./http_reader.ts";
import { joined, type RemoteFile, type Store } from "./store.ts";
import { elements, textOf } from "./xml.ts";

export interface S3Place {
  /** Of the bucket itself: "https://bucket.s3.eu-west-1.amazonaws.com" or "http://127.0.0.1:9000/bucket". */
  bucketUrl: string;
  /** Where the store's root lies in the bucket. */
  prefix: string;
  region: string;
  keys: KeyPair | undefined;
  remedy: string;
}

/** Clocks that differ less are right: Amazon takes a quarter of an hour. */
const MOST_OFF_MS = 5 * 60_000;
/** Pages of a thousand names that are read of one folder. */
const MOST_PAGES = 10;

/** The address of a bucket: AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL name another place than Amazon's, as for its own tools. */
export function s3BucketUrl(bucket: string, region: string, env: NodeJS.ProcessEnv = process.env): string {
  const endpoint = env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL;
  if (endpoint) return `${endpoint.replace(/\/+$/, "")}/${bucket}`;
  // A certificate for *.s3.… does not cover a bucket with dots.
  if (bucket.includes(".")) return `https://s3.${region}.amazonaws.com/${bucket}`;
  return `https://${bucket}.s3.${region}.amazonaws.com`;
}

export class S3Store implements Store {
  readonly #reader: HttpReader;
  readonly #place: S3Place;
  /** Milliseconds by which the place's clock goes before this machine's: a signature counts for minutes. */
  #ahead = 0;

  constructor(reader: HttpReader, place: S3Place) {
    this.#reader = reader;
    this.#place = place;
  }

  async list(signal?: AbortSignal): Promise<RemoteFile[]> {
    const prefix = this.#place.prefix === "" ? "" : `${this.#place.prefix}/`;
    const files: RemoteFile[] = [];
    let token: string | undefined;
    for (let page = 0; page < MOST_PAGES; page++) {
      const url = new URL(`${this.#place.bucketUrl}/`);
      // In the order of their names, as a signature has them.
      if (token !== undefined) url.searchParams.set("continuation-token", token);
      url.searchParams.set("delimiter", "/");
      url.searchParams.set("list-type", "2");
      url.searchParams.set("prefix", prefix);
      const answer = await this.#reader.read(this.#ask(url), signal);
      if (answer === undefined) throw this.#reader.gone(this.#ask(url), "there is no such bucket");
      const xml = new TextDecoder().decode(answer.bytes);
      files.push(...elements(xml, "Contents").flatMap((entry) => fileOf(entry, prefix)));
      token = textOf(xml, "IsTruncated") === "true" ? textOf(xml, "NextContinuationToken") : undefined;
      if (token === undefined) break;
    }
    return files;
  }

  async read(file: RemoteFile, signal?: AbortSignal): Promise<Uint8Array> {
    const key = joined(this.#place.prefix, file.path);
    const url = new URL(`${this.#place.bucketUrl}/${key.split("/").map(encodeURIComponent).join("/")}`);
    return readFileOf(this.#reader, { ...this.#ask(url), bytes: file.bytes, digest: file.digest }, signal);
  }

  #ask(url: URL): Ask {
    const { keys, region, remedy } = this.#place;
    if (keys === undefined) return { url, remedy };
    return {
      url,
      remedy,
      authorize: async (target) => {
        const datetime = this.#now()
          .toISOString()
          .replace(/[:-]|\.\d{3}/g, "");
        const signed = await new AwsV4Signer({ ...keys, url: target.href, service: "s3", region, datetime }).sign();
        return { url: signed.url, headers: Object.fromEntries(signed.headers) };
      },
      refused: ({ status, headers }) => status === 403 && this.#setClock(headers.get("date")),
    };
  }

  /** As the place's clock has it, as far as it is known. */
  #now(): Date {
    return new Date(Date.now() + this.#ahead);
  }

  /** Whether the place's clock goes otherwise than was thought. */
  #setClock(date: string | null): boolean {
    const off = Date.parse(date ?? "") - +this.#now();
    if (!(Math.abs(off) > MOST_OFF_MS)) return false;
    this.#ahead += off;
    return true;
  }
}

/** The file's bytes; one that is gone since it was listed is a failure. @throws MoloraError `download_failed` and its kind */
export async function readFileOf(reader: HttpReader, ask: Ask, signal?: AbortSignal): Promise<Uint8Array> {
  const answer = await reader.read(ask, signal);
  if (answer !== undefined) return answer.bytes;
  throw reader.gone(ask);
}

function fileOf(entry: string, prefix: string): RemoteFile[] {
  const key = textOf(entry, "Key") ?? "";
  const path = key.slice(prefix.length);
  // A folder made by hand in a console is an object of that name.
  if (!key.startsWith(prefix) || path === "" || path.endsWith("/")) return [];
  const etag = (textOf(entry, "ETag") ?? "").replaceAll('"', "");
  return [{ path, bytes: Number(textOf(entry, "Size")), version: etag || textOf(entry, "LastModified") || "" }];
}
