// What is named on a Hugging Face hub: `hf:user/repo[@revision][:path]`, wherever a path can stand.

import { posix } from "node:path";
import { MoloraError } from "../../proto/errors.ts";

const SCHEME = "hf:";

export interface HubReference {
  /** "user/name" */
  repo: string;
  /** A branch, a tag or a commit. */
  revision: string;
  /** A file or folder of the repository; undefined: all that lies at its top. */
  path?: string;
}

/** Repositories on the hub, "hf:user/repo". */
const FORM = /^hf:([\w.-]+\/[\w.-]+)(?:@([^:\s]+))?(?::(.+))?$/;

/** A commit names the same files for ever. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

export function isHubReference(path: string): boolean {
  return path.startsWith(SCHEME);
}

/** @throws MoloraError `bad_arguments` for what is no `hf:user/repo[@revision][:path]` */
export function parseHubReference(text: string): HubReference {
  const [, repo, revision = "main", path] = FORM.exec(text) ?? [];
  if (repo === undefined || repo.split("/").some((part) => /^\.+$/.test(part)) || leadsOut(revision)) throw bad(text);
  if (path === undefined) return { repo, revision };
  const inside = posix.normalize(path).replace(/\/$/, "");
  if (leadsOut(inside) || path.includes("\\")) throw bad(text);
  return inside === "." ? { repo, revision } : { repo, revision, path: inside };
}

export function formatHubReference({ repo, revision, path }: HubReference): string {
  return `${SCHEME}${repo}${revision === "main" ? "" : `@${revision}`}${path === undefined ? "" : `:${path}`}`;
}

/** `path` as meant by something that lies in folder `from` of a repository: in the same repository and revision. */
export function resolveInHub(from: string, path: string): string {
  const { path: folder = "", ...reference } = parseHubReference(from);
  const inside = posix.join(folder, path);
  return formatHubReference(inside === "." ? reference : { ...reference, path: inside });
}

function leadsOut(path: string): boolean {
  return path.startsWith("/") || path.includes("\0") || path.split("/").includes("..");
}

function bad(text: string): MoloraError {
  return new MoloraError("bad_arguments", `${text} names nothing on a hub`, {
    remedy: "Write hf:user/repo, hf:user/repo@revision or hf:user/repo:file.gguf.",
  });
}
