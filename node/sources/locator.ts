// Where a source lies, read from what an operator or a request wrote: a folder, or an address of one of five schemes.
// Nothing is opened here.

import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { MoloraError } from "../../proto/errors.ts";
import { formatHubReference, parseHubReference, resolveInHub } from "../hub/reference.ts";

/** `folder`: on this machine. Of the others, `path` begins without and ends without a slash. */
export type Locator =
  | { scheme: "folder"; path: string }
  | { scheme: "s3" | "gs"; bucket: string; path: string }
  | { scheme: "az"; account: string; container: string; path: string }
  | { scheme: "hf"; owner: string; repo: string | undefined; revision: string; path: string }
  | { scheme: "https"; url: string };

export type RemoteLocator = Exclude<Locator, { scheme: "folder" }>;

const SCHEME = /^([a-z][a-z0-9+.-]+):/i;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Whether a path is an address of a remote source, and no path of this machine. */
export function isRemote(text: string): boolean {
  return /^(?:s3|gs|az|https?):\/\//i.test(text) || /^hf:/i.test(text);
}

/**
 * `DIR`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://account/container/prefix`, `hf:owner`, `hf:owner/repo`,
 * `hf:owner/repo@revision:folder` or `https://host/path`. Plain http is taken of this machine only.
 *
 * @throws MoloraError `bad_arguments`
 */
export function readLocator(text: string): Locator {
  const scheme = SCHEME.exec(text)?.[1].toLowerCase();
  // One letter is a drive of Windows.
  if (scheme === undefined) return { scheme: "folder", path: resolve(text) };
  const rest = text.slice(scheme.length + 1);
  switch (scheme) {
    case "s3":
    case "gs": {
      const [bucket, ...path] = segments(text, rest);
      if (!NAME.test(bucket ?? "")) throw unreadable(text, `Write ${scheme}://BUCKET/PREFIX.`);
      return { scheme, bucket, path: path.join("/") };
    }
    case "az": {
      const [account, container, ...path] = segments(text, rest);
      if (!NAME.test(account ?? "") || !NAME.test(container ?? "")) {
        throw unreadable(text, "Write az://ACCOUNT/CONTAINER/PREFIX.");
      }
      return { scheme, account, container, path: path.join("/") };
    }
    case "hf":
      return hubLocator(rest);
    case "https":
    case "http":
      return { scheme: "https", url: webAddress(text) };
    default:
      throw unreadable(text, "Sources are folders and s3://, gs://, az://, hf: and https:// addresses.");
  }
}

/** As it is shown, kept and compared. It carries no secret: credentials in an address are refused. */
export function locatorText(locator: Locator): string {
  switch (locator.scheme) {
    case "folder":
      return locator.path;
    case "s3":
    case "gs":
      return `${locator.scheme}://${[locator.bucket, locator.path].filter(Boolean).join("/")}`;
    case "az":
      return `az://${[locator.account, locator.container, locator.path].filter(Boolean).join("/")}`;
    case "hf": {
      const { owner, repo, revision, path } = locator;
      if (repo === undefined) return `hf:${owner}`;
      return formatHubReference({ repo: `${owner}/${repo}`, revision, ...(path === "" ? {} : { path }) });
    }
    case "https":
      return locator.url;
  }
}

/** The folder `name` of a place that holds folders. */
export function childOf(locator: Locator, name: string): Locator {
  switch (locator.scheme) {
    case "folder":
      return { ...locator, path: join(locator.path, name) };
    case "https":
      return { ...locator, url: `${locator.url}/${encodeURIComponent(name)}` };
    case "hf":
      if (locator.repo === undefined) return { ...locator, repo: name };
      return { ...locator, path: locator.path === "" ? name : `${locator.path}/${name}` };
    default:
      return { ...locator, path: locator.path === "" ? name : `${locator.path}/${name}` };
  }
}

/** What lies at `path`, relative to the folder that `from` is; ".." goes up as in a URL. @throws MoloraError `bad_arguments` */
export function resolveLocator(from: string, path: string): string {
  if (isRemote(path)) return path;
  if (!isRemote(from)) return resolve(from, path);
  if (isAbsolute(path)) throw unreadable(path, `It is a path of this machine, named by something in ${from}.`);
  if (/^hf:/i.test(from)) return resolveInHub(from, path);
  if (/^https?:/i.test(from)) return new URL(path, `${from.replace(/\/+$/, "")}/`).href;
  const [, head, rest] = /^([a-z0-9]+:(?:\/\/)?)(.*)$/i.exec(from)!;
  const steps: string[] = [];
  for (const step of `${rest}/${path}`.split("/")) {
    if (step === "..") {
      if (steps.pop() === undefined) throw unreadable(path, `It leads out of ${from}.`);
    } else if (step !== "" && step !== ".") steps.push(step);
  }
  return head + steps.join("/");
}

/** Whether `text` lies at or below `prefix`: what an operator allows by naming a prefix. */
export function liesBelow(prefix: string, text: string): boolean {
  const [outer, inner] = [readLocator(prefix), readLocator(text)];
  if (outer.scheme !== inner.scheme) return false;
  if (outer.scheme === "folder" && inner.scheme === "folder") {
    const way = relative(outer.path, inner.path);
    return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
  }
  const [whole, part] = [locatorText(inner), locatorText(outer).replace(/\/+$/, "")];
  return whole === part || whole.startsWith(`${part}/`) || (inner.scheme === "hf" && whole.startsWith(`${part}:`));
}

function segments(text: string, rest: string): string[] {
  if (!rest.startsWith("//")) throw unreadable(text, "Two slashes follow the colon.");
  const parts = rest.slice(2).split("/").filter(Boolean);
  if (parts.some((part) => part === "." || part === ".." || part.includes("\0"))) {
    throw unreadable(text, "Leave out the segments . and ..");
  }
  return parts;
}

function hubLocator(rest: string): Locator {
  if (NAME.test(rest)) return { scheme: "hf", owner: rest, repo: undefined, revision: "main", path: "" };
  const { repo, revision, path = "" } = parseHubReference(`hf:${rest}`);
  const [owner, name] = repo.split("/");
  return { scheme: "hf", owner, repo: name, revision, path };
}

function webAddress(text: string): string {
  if (!URL.canParse(text)) throw unreadable(text, "Write https://HOST/PATH.");
  const url = new URL(text);
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw unreadable(
      `${url.origin}${url.pathname}`,
      "Leave out names, passwords, ? and #: addresses are shown in messages.",
    );
  }
  if (url.protocol === "http:" && !isThisMachine(url)) {
    throw unreadable(text, "Use https: anybody on the way could change what plain http carries.");
  }
  return url.href.replace(/\/+$/, "");
}

export function isThisMachine({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function unreadable(text: string, remedy: string): MoloraError {
  return new MoloraError("bad_arguments", `${JSON.stringify(text.slice(0, 200))} is no source`, { remedy });
}
