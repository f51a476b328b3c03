// A folder in a repository of the Hugging Face hub, or of a server that speaks its API (HF_ENDPOINT).

import { type Ask, type HttpReader, shownUrl } from "./http_reader.ts";
import { readFileOf } from "./s3_store.ts";
import { joined, type RemoteFile, type Store } from "./store.ts";

export interface HubPlace {
  endpoint: string;
  /** "owner/name" */
  repo: string;
  revision: string;
  /** The folder, "" is all of the repository. */
  path: string;
  token: string | undefined;
}

const MOST_PAGES = 10;
const REMEDY = "Set HF_TOKEN to the token of somebody who may read the repository, and accept its terms on the hub.";

export class HubStore implements Store {
  readonly #reader: HttpReader;
  readonly #place: HubPlace;
  #commit: string | undefined;

  constructor(reader: HttpReader, place: HubPlace) {
    this.#reader = reader;
    this.#place = place;
  }

  async list(signal?: AbortSignal): Promise<RemoteFile[]> {
    const { endpoint, repo, revision, path } = this.#place;
    const about = new URL(`${endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}`);
    const info = await this.#reader.read(this.#ask(about), signal);
    if (info === undefined) return [];
    // All files are of this commit, whatever is pushed meanwhile.
    this.#commit = (JSON.parse(new TextDecoder().decode(info.bytes)) as { sha?: string }).sha ?? revision;
    const tree = `${endpoint}/api/models/${repo}/tree/${this.#commit}`;
    let next: URL | undefined = new URL(path === "" ? tree : `${tree}/${encoded(path)}`);
    const files: RemoteFile[] = [];
    for (let page = 0; page < MOST_PAGES && next !== undefined; page++) {
      const answer = await this.#reader.read(this.#ask(next), signal);
      if (answer === undefined) return [];
      const entries = JSON.parse(new TextDecoder().decode(answer.bytes)) as Entry[];
      files.push(...entries.flatMap((entry) => fileOf(entry, path)));
      next = nextPage(answer.headers, next);
    }
    return files;
  }

  async read(file: RemoteFile, signal?: AbortSignal): Promise<Uint8Array> {
    const { endpoint, repo, revision, path } = this.#place;
    const place = `${repo}/resolve/${encodeURIComponent(this.#commit ?? revision)}/${encoded(joined(path, file.path))}`;
    const ask = this.#ask(new URL(`${endpoint}/${place}`));
    return readFileOf(this.#reader, { ...ask, bytes: file.bytes, digest: file.digest }, signal);
  }

  #ask(url: URL): Ask {
    const { token } = this.#place;
    const authorize = async (target: URL) => ({ url: target, headers: { authorization: `Bearer ${token}` } });
    // The hub says the same of what is private and of what is not there.
    const isAbsent = ({ headers }: Response) => headers.get("x-error-code") === "RepoNotFound";
    return { url, remedy: REMEDY, isAbsent, ...(token === undefined ? {} : { authorize }) };
  }
}

/** What of the API's entries is read (https://huggingface.co/docs/hub/api, "tree"). */
interface Entry {
  type?: string;
  path?: string;
  size?: number;
  oid?: string;
  lfs?: { oid?: string };
}

function fileOf({ type, path = "", size, oid = "", lfs }: Entry, folder: string): RemoteFile[] {
  const inside = folder === "" ? path : path.slice(folder.length + 1);
  if (type !== "file" || inside === "" || inside.includes("/")) return [];
  const hex = lfs?.oid?.replace(/^sha256:/, "");
  const digest = { algorithm: "sha256" as const, hex: hex ?? "" };
  return [{ path: inside, bytes: size, version: hex ?? oid, ...(hex === undefined ? {} : { digest }) }];
}

/** RFC 8288: `<…?cursor=…>; rel="next"`. Another place's page is not followed. */
function nextPage(headers: Headers, from: URL): URL | undefined {
  const link = /<([^>]+)>\s*;\s*rel="next"/.exec(headers.get("link") ?? "")?.[1];
  if (link === undefined) return undefined;
  const next = new URL(link, from);
  return next.origin === from.origin && shownUrl(next) === shownUrl(from) ? next : undefined;
}

function encoded(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}
