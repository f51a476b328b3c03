// Files of a hub's repositories on this machine, by commit: CACHE/hub/user--repo/COMMIT/…, each whole and checked.

import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MoloraError } from "../../proto/errors.ts";
import { cacheDirectory } from "../cache.ts";
import type { FetchProgress } from "../download.ts";
import { Hub, type HubFile } from "./hub.ts";
import { neededFiles, shardsOf } from "./needed.ts";
import { formatHubReference, type HubReference, isCommit } from "./reference.ts";
import { fetchResumed } from "./resumed.ts";

/** What a reference is on this machine. */
export interface Pulled {
  /** The reference with its commit in the place of a branch or tag. */
  pinned: HubReference;
  /** The file or folder to open. */
  path: string;
  files: readonly HubFile[];
}

export interface SnapshotOptions {
  hub?: Hub;
  /** Default: the folder `hub` of the cache. */
  root?: string;
  /** Ask no hub, take what is there. Default: HF_HUB_OFFLINE is 1. */
  offline?: boolean;
}

/** Downloads of this process by their path: who wants a file that is coming waits for it. */
const coming = new Map<string, Promise<void>>();

/** Who loads a name again after this long wants what is there then. */
const PINNED_MS = 60_000;

export class Snapshots {
  readonly hub: Hub;
  readonly #root: string;
  readonly #offline: boolean;
  /** A branch stays where it was for a while: a mixture and its experts come from one commit. */
  readonly #commits = new Map<string, { commit: Promise<string>; asked: number }>(); // asked: by performance.now()

  constructor({ hub = new Hub(), root, offline }: SnapshotOptions = {}) {
    this.hub = hub;
    this.#root = root ?? join(cacheDirectory(), "hub");
    this.#offline = offline ?? /^(1|true|yes|on)$/i.test(process.env.HF_HUB_OFFLINE ?? "");
  }

  /** The reference with the commit that its revision is. */
  async pin(reference: HubReference): Promise<HubReference> {
    const key = `${reference.repo}@${reference.revision}`;
    let known = this.#commits.get(key);
    const now = performance.now();
    if (known === undefined || now - known.asked > PINNED_MS) {
      known = { commit: this.#commitOf(reference), asked: now };
      this.#commits.set(key, known);
      // A hub that failed is asked again.
      known.commit.catch(() => this.#commits.delete(key));
    }
    return { ...reference, revision: await known.commit };
  }

  /** Every file of the repository. A commit's list is kept: it does not change. */
  async list({ repo, revision: commit }: HubReference): Promise<HubFile[]> {
    const path = `${this.#folder(repo, commit)}.json`;
    const kept = await readFile(path, "utf8")
      .then(JSON.parse)
      .catch(() => undefined);
    if (Array.isArray(kept)) return kept as HubFile[];
    if (this.#offline) throw notKept({ repo, revision: commit });
    const files = await this.hub.files(repo, commit);
    await writeWhole(path, JSON.stringify(files));
    return files;
  }

  /**
   * Fetches what is needed of `reference` and not there yet.
   *
   * @throws MoloraError as `neededFiles`, `fetchResumed` and the hub
   */
  async pull(reference: HubReference, progress?: FetchProgress): Promise<Pulled> {
    const pinned = await this.pin(reference);
    const all = await this.list(pinned);
    const needed = neededFiles(reference, all);
    const folder = this.#folder(pinned.repo, pinned.revision);
    let { files } = needed;
    if (needed.index !== undefined) {
      await this.#fetch(pinned, [needed.index]);
      const json: unknown = await readFile(join(folder, needed.index.path), "utf8")
        .then(JSON.parse)
        .catch(() => undefined);
      files = [...files, ...shardsOf(needed.index, json, all)];
    }
    await this.#fetch(pinned, files, progress);
    return { pinned, path: join(folder, needed.target), files };
  }

  async #fetch({ repo, revision: commit }: HubReference, files: readonly HubFile[], progress?: FetchProgress) {
    const total = files.reduce((sum, file) => sum + file.bytes, 0);
    let before = 0;
    for (const file of files) {
      const path = join(this.#folder(repo, commit), file.path);
      const tell = (received: number) => progress?.({ source: file.path, received: before + received, total });
      if ((await stat(path).catch(() => undefined))?.size !== file.bytes) {
        if (this.#offline) throw notKept({ repo, revision: commit, path: file.path });
        const fetching = coming.get(path) ?? fetchResumed({ hub: this.hub, repo, commit, file }, path, tell);
        coming.set(path, fetching);
        await fetching.finally(() => coming.delete(path));
      }
      tell(file.bytes);
      before += file.bytes;
    }
  }

  async #commitOf(reference: HubReference): Promise<string> {
    const { repo, revision } = reference;
    if (isCommit(revision)) return revision;
    const path = join(this.#folder(repo, "refs"), encodeURIComponent(revision));
    if (this.#offline) {
      const kept = await readFile(path, "utf8").catch(() => "");
      if (isCommit(kept)) return kept;
      throw notKept(reference);
    }
    const commit = await this.hub.commit(reference);
    await writeWhole(path, commit);
    return commit;
  }

  #folder(repo: string, commit: string): string {
    return join(this.#root, repo.replace("/", "--"), commit);
  }
}

/** In one move, so that nobody reads half of it. */
async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.${process.pid}`, text);
  await rename(`${path}.${process.pid}`, path);
}

function notKept(reference: HubReference): MoloraError {
  return new MoloraError("file_not_found", `${formatHubReference(reference)} was not fetched before`, {
    remedy: "Take HF_HUB_OFFLINE away, or fetch it with molora pull while there is a network.",
  });
}
