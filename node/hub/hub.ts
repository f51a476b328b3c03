// A Hugging Face hub: which commit a revision is, which files it has, and bytes of them.
// What is kept of them on this machine, snapshot.ts knows.

import { HubApiError, listFiles, modelInfo } from "@huggingface/hub";
import { MoloraError } from "../../proto/errors.ts";
import { delay, patientFetch, unstalled } from "./patient_fetch.ts";
import { type HubReference, isCommit } from "./reference.ts";
import { hubUnreachable, refused } from "./refusals.ts";

/** A file of a repository at a commit. */
export interface HubFile {
  path: string;
  bytes: number;
  /** SHA-256 where the hub states it (large files), else git's SHA-1 of the file as a blob. */
  digest: { algorithm: "sha256" | "git-sha1"; hex: string };
}

export interface HubOptions {
  /** Default: HF_ENDPOINT, else https://huggingface.co. */
  endpoint?: string;
  /** Default: HF_TOKEN. Sent to the endpoint alone. */
  token?: string;
  /** Default 500. */
  backoffMs?: number;
}

export class Hub {
  readonly endpoint: string;
  readonly #token: string | undefined;
  readonly #backoffMs: number;

  constructor({ endpoint, token, backoffMs = 500 }: HubOptions = {}) {
    this.endpoint = (endpoint ?? (process.env.HF_ENDPOINT || "https://huggingface.co")).replace(/\/+$/, "");
    this.#token = token ?? (process.env.HF_TOKEN || undefined);
    this.#backoffMs = backoffMs;
  }

  /** The commit that a revision is now. @throws MoloraError `file_not_found`, `not_permitted`, `download_failed` */
  async commit({ repo, revision }: Pick<HubReference, "repo" | "revision">): Promise<string> {
    if (isCommit(revision)) return revision;
    const what = `${repo}@${revision}`;
    const { sha } = await this.#ask(what, () =>
      modelInfo({ name: repo, revision, additionalFields: ["sha"], hubUrl: this.endpoint, fetch: this.#fetch }),
    );
    if (typeof sha === "string" && isCommit(sha)) return sha;
    throw new MoloraError("download_failed", `${this.endpoint} names no commit of ${what}`, {
      remedy: "Check HF_ENDPOINT: it does not answer as a Hugging Face hub does.",
    });
  }

  /** Every file of the repository. @throws MoloraError as `commit` */
  async files(repo: string, commit: string): Promise<HubFile[]> {
    const what = `${repo}@${commit}`;
    return this.#ask(what, async () => {
      const files: HubFile[] = [];
      const listed = listFiles({ repo, revision: commit, recursive: true, hubUrl: this.endpoint, fetch: this.#fetch });
      for await (const { type, path, size, oid = "", lfs } of listed) {
        if (type !== "file") continue;
        const digest = lfs === undefined ? ({ algorithm: "git-sha1", hex: oid } as const) : sha256(lfs.oid);
        files.push({ path, bytes: lfs?.size ?? size, digest });
      }
      return files;
    });
  }

  /**
   * A file's bytes from `from` to `to` (default: its end).
   *
   * @throws MoloraError `file_not_found`, `not_permitted`, `download_failed`; Error where the stream breaks off.
   */
  async *bytes(repo: string, commit: string, path: string, from = 0, to?: number): AsyncGenerator<Uint8Array> {
    const what = `${repo}:${path}`;
    const url = `${this.endpoint}/${repo}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
    const ranged = from > 0 || to !== undefined;
    const range = `bytes=${from}-${to === undefined ? "" : to - 1}`;
    const answer = await this.#ask(what, () => this.#open(url, ranged ? { range } : {}));
    if (answer.body === null) return;
    // A server that takes no ranges begins at the beginning.
    let skip = answer.status === 206 ? 0 : from;
    let left = to === undefined ? Number.POSITIVE_INFINITY : to - from;
    for await (const chunk of unstalled(answer.body)) {
      const wanted = chunk.subarray(skip, skip + left);
      skip = Math.max(0, skip - chunk.length);
      left -= wanted.length;
      if (wanted.length > 0) yield wanted;
      if (left === 0) return;
    }
  }

  /** The wait after a stream broke off for the `breaks`-th time. */
  pause(breaks: number): Promise<void> {
    return delay(this.#backoffMs * 2 ** (breaks - 1));
  }

  async #open(url: string, headers: Record<string, string>): Promise<Pick<Response, "body" | "status">> {
    const answer = await this.#fetch(url, { headers });
    if (answer.ok) return { body: answer.body, status: answer.status };
    await answer.body?.cancel().catch(() => {});
    throw new HubApiError(url, answer.status, undefined, answer.headers.get("x-error-message") ?? "");
  }

  readonly #fetch: typeof fetch = async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init.headers);
    // The token is nobody else's business: not a mirror's that a list names, nor a store's that an answer leads to.
    if (this.#token !== undefined && url.origin === new URL(this.endpoint).origin) {
      headers.set("authorization", `Bearer ${this.#token}`);
    }
    return patientFetch(url, { ...init, headers }, { backoffMs: this.#backoffMs });
  };

  async #ask<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (MoloraError.is(error)) throw error;
      if (!(error instanceof HubApiError)) throw hubUnreachable(this.endpoint, what, error);
      throw refused(error, { endpoint: this.endpoint, what, hasToken: this.#token !== undefined });
    }
  }
}

/** Git LFS names it bare, or with the algorithm before it. */
function sha256(oid: string): HubFile["digest"] {
  return { algorithm: "sha256", hex: oid.replace(/^sha256:/, "") };
}
